import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { pino } from "pino";
import { channelVerifier } from "../../client/channel-verifier.js";
import type { ConfigIssue } from "../../config/issues.js";
import { loadConfig } from "../../config/load.js";
import { readText } from "../../config/read-file.js";
import { type ConfiguredTls, readClientTls } from "../../config/tls.js";
import type { Credential, Outcome, VerificationRequest, Verifier } from "../../contract/verifier.js";
import { openCore } from "../../server/core.js";
import { storePath } from "../../server/store.js";
import type { Clock } from "../../util/clock.js";
import { Secret } from "../../util/secret.js";
import type { CliContext } from "../cli-context.js";
import { CommandError, EXIT, secretIn } from "../errors.js";
import { readTime } from "../time.js";

/** Where a running service is asked unless an address is given. */
export const DEFAULT_ADDRESS = "127.0.0.1:50051";

/** The options of `verify`. */
export interface VerifyOptions {
  readonly realm: string;
  /** A running service; 127.0.0.1:50051 where neither this nor `config` is given. */
  readonly address?: string;
  /** Verify offline, with this configuration. */
  readonly config?: string;
  readonly explain?: boolean;
  /** The time to verify at, offline: RFC 3339, or seconds since 1970. */
  readonly at?: string;
  readonly secretKeyFile?: string;
  readonly clientId?: string;
  readonly clientSecretFile?: string;
  /** Ask over TLS; so do the files that follow. */
  readonly tls?: boolean;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** Milliseconds that a running service is given to answer. */
const PATIENCE = 10_000;

/**
 * Asks whether a token is good: a running service, or the configuration itself.
 *
 * @param token the token, without `Bearer`
 * @param note is told what whoever reads the outcome should know besides
 * @throws {CommandError} for options that do not fit together
 */
export async function verify(
  token: string,
  options: VerifyOptions,
  world: CliContext,
  note: (line: string) => void = () => {},
): Promise<Outcome> {
  if (options.address !== undefined && options.config !== undefined) {
    throw new CommandError("Give --address (a running service) or --config (offline), not both.", EXIT.usage);
  }
  if (options.at !== undefined && options.config === undefined) {
    throw new CommandError("--at works offline: give --config FILE with it.", EXIT.usage);
  }
  const tls = tlsOf(options);
  if (tls !== undefined && options.config !== undefined) {
    throw new CommandError("--tls, --ca-file, --cert-file and --key-file go with --address.", EXIT.usage);
  }
  const request: VerificationRequest = {
    realm: options.realm,
    token: new Secret(token),
    credential: credentialOf(options),
    explain: options.explain ?? false,
  };
  const clock = clockAt(options.at, world);
  const opened = await open(options, tls, clock, world, note);
  try {
    return await opened.verifier.verify(request, {
      requestId: `cli-${randomUUID()}`,
      address: "",
      deadline: clock() + PATIENCE,
    });
  } finally {
    await opened.close();
  }
}

async function open(
  { config, address = DEFAULT_ADDRESS }: VerifyOptions,
  tls: ConfiguredTls | undefined,
  clock: Clock,
  { env, clock: now }: CliContext,
  note: (line: string) => void,
): Promise<{ readonly verifier: Verifier; close(): Promise<void> | void }> {
  if (config === undefined) {
    const verifier = connect(address, tls);
    return { verifier, close: () => verifier.close() };
  }
  const loaded = loadConfig(config, { env });
  // Whoever holds the configuration and its keys may know why.
  const asked = { ...loaded, realms: loaded.realms.map((realm) => ({ ...realm, explain: "anyone" as const })) };
  const file = storePath(asked);
  if (asked.masterKeys.length > 0 && !existsSync(file)) {
    note(`There is no store at ${file} yet: callers and users are the seed's alone, and nothing is revoked.`);
  }
  const log = pino({ level: "silent" });
  // A service may be running on the store, and the time may be pretended.
  return openCore(asked, { clock, log, readOnlyAt: now() });
}

/** What the options say of TLS, its files read and checked; undefined where they say nothing. @throws {ConfigError} */
function tlsOf({ tls, caFile, certFile, keyFile }: VerifyOptions): ConfiguredTls | undefined {
  if (tls !== true && (caFile ?? certFile ?? keyFile) === undefined) return undefined;
  const issues: ConfigIssue[] = [];
  const read = readClientTls({ caFile, certFile, keyFile }, [], {
    resolve: (file) => path.resolve(file),
    readFile: readText,
    issues,
  });
  if (read !== undefined) return read;
  // The keys of a configuration are the options of the command line.
  const named = issues.map(({ place, message }) => `${OPTIONS[place] ?? "TLS"} ${message}.`);
  throw new CommandError(named.join("\n"), EXIT.usage);
}

const OPTIONS: Readonly<Record<string, string>> = {
  caFile: "--ca-file",
  certFile: "--cert-file",
  keyFile: "--key-file",
};

function connect(address: string, tls: ConfiguredTls | undefined): ReturnType<typeof channelVerifier> {
  try {
    return channelVerifier(address, { tls });
  } catch {
    throw new CommandError("--address must be host:port, dns:///name:port or unix:/path.", EXIT.usage);
  }
}

function credentialOf({ secretKeyFile, clientId, clientSecretFile }: VerifyOptions): Credential | undefined {
  if (secretKeyFile !== undefined && clientId !== undefined) {
    throw new CommandError("Name one caller: --secret-key-file, or --client-id with --client-secret-file.", EXIT.usage);
  }
  if (secretKeyFile !== undefined) return { kind: "instance", secretKey: new Secret(secretIn(secretKeyFile)) };
  if ((clientId === undefined) !== (clientSecretFile === undefined)) {
    throw new CommandError("--client-id and --client-secret-file go together.", EXIT.usage);
  }
  if (clientId === undefined || clientSecretFile === undefined) return undefined;
  return { kind: "client", clientId, clientSecret: new Secret(secretIn(clientSecretFile)) };
}

function clockAt(at: string | undefined, { clock }: CliContext): Clock {
  if (at === undefined) return clock;
  const millis = readTime("--at", at);
  return () => millis;
}
