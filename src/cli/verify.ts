import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { pino } from "pino";
import { channelVerifier } from "../client/channel.js";
import { loadConfig } from "../config/load.js";
import type { ConfiguredTls } from "../config/tls.js";
import type { FailureReason } from "../contract/failures.js";
import type { Credential, Outcome, VerificationRequest, Verifier } from "../contract/verifier.js";
import { type Core, openCore } from "../server/core.js";
import { isStoreMissing, storePlace } from "../server/store.js";
import type { Clock } from "../util/clock.js";
import { Secret } from "../util/secret.js";
import { addCommand, type CliContext, jsonOption, realmOption } from "./command.js";
import { CommandError, EXIT, UsageError } from "./errors.js";
import { printError, printLine } from "./output.js";
import { readSecretFile, readTime } from "./resolve.js";
import { addTlsOptions, readTlsOptions, type TlsOptions } from "./tls-options.js";
import { formatVerdict, noVerdict, verdictOutput } from "./verify-outcome.js";
import { addProofOptions, type ProofOptions, readProof } from "./verify-proof.js";

const EXAMPLES = [
  "token-verifier mint --realm integuru | token-verifier verify --realm integuru -",
  "token-verifier verify --realm integuru --config data/verifier.yaml --explain - < token.txt",
  "token-verifier verify -r integuru -c data/verifier.yaml --at 2099-01-01T00:00:00Z - < token.txt   # exit code 1",
];

/** The address of the running service to ask by default. */
const DEFAULT_ADDRESS = "127.0.0.1:50051";

/** Failures for which the state of the realm says why. */
const OUTAGES: ReadonlySet<FailureReason> = new Set(["KEYS_UNAVAILABLE", "DIRECTORY_UNAVAILABLE", "TIMED_OUT"]);

/** Milliseconds that a running service has to answer. */
const TIMEOUT = 10_000;

interface VerifyOptions extends ProofOptions, TlsOptions {
  readonly realm: string;
  readonly address?: string;
  readonly config?: string;
  readonly explain?: boolean;
  readonly at?: string;
  readonly secretKeyFile?: string;
  readonly clientId?: string;
  readonly clientSecretFile?: string;
  readonly json?: boolean;
}

/** Adds `verify`. */
export function addVerifyCommand(root: Command, context: CliContext): void {
  const description = "say whether a token is good: ask a running service, or verify offline with --config";
  const command = addCommand(root, "verify", description, EXAMPLES)
    .argument("<token>", "the token; - reads standard input")
    .addOption(realmOption())
    .option("-a, --address <address>", `the running service to ask (default: ${DEFAULT_ADDRESS})`)
    .option("-c, --config <file>", "verify offline, with this configuration")
    .option("--explain", "print what each check found")
    .option(
      "--at <time>",
      "offline: verify as of this time (RFC 3339, or seconds since 1970), with today's keys and callers",
    )
    .option("--secret-key-file <file>", "the calling instance's secret key")
    .option("--client-id <id>", "the calling client's id")
    .option("--client-secret-file <file>", "the calling client's secret");
  addTlsOptions(addProofOptions(command))
    .addOption(jsonOption())
    .action(async (given: string, options: VerifyOptions) => {
      const token = given === "-" ? (await text(context.stdin)).trim() : given;
      const { outcome, why } = await verify(token, options, context);
      if (outcome.kind === "failure") throw failureError(outcome, why, options, context);
      const at = options.at === undefined ? undefined : readTime("--at", options.at);
      printLine(options.json ? JSON.stringify(verdictOutput(outcome)) : formatVerdict(outcome, at));
      process.exitCode = outcome.kind === "verified" ? EXIT.done : EXIT.negative;
    });
}

function failureError(
  outcome: Extract<Outcome, { kind: "failure" }>,
  why: string | undefined,
  { config, address = DEFAULT_ADDRESS, json }: VerifyOptions,
  context: CliContext,
): CommandError {
  const { code, message, exitCode, details } = noVerdict(outcome, config === undefined ? address : undefined);
  const realms = outcome.reason === "REALM_UNKNOWN" ? listRealms(config, context) : "";
  const full = message + realms + (why === undefined ? "" : ` The cause: ${why}.`);
  return new CommandError(json ? full : `no verdict: ${code}\n${full}`, exitCode, code, details);
}

/** Lists a configuration's realms; empty for a running service, which does not disclose them. */
function listRealms(config: string | undefined, context: CliContext): string {
  if (config === undefined) return "";
  const names = loadConfig(config, context).realms.map(({ name }) => name);
  return ` ${config} has: ${names.join(", ") || "none"}.`;
}

interface Answer {
  readonly outcome: Outcome;
  /** Offline, why the realm gives no verdicts; undefined if it does, and for a running service, which does not disclose it. */
  readonly why?: string | undefined;
}

/** Asks a running service, or a verifier of our own with the configuration. @throws {UsageError} for conflicting options */
async function verify(token: string, options: VerifyOptions, context: CliContext): Promise<Answer> {
  if (options.address !== undefined && options.config !== undefined) {
    throw new UsageError("Give either --address (a running service) or --config (offline), not both.");
  }
  if (options.at !== undefined && options.config === undefined) {
    throw new UsageError("--at works offline only. Give --config FILE with it.");
  }
  const tls = readTlsOptions(options);
  if (tls !== undefined && options.config !== undefined) {
    throw new UsageError("--tls, --ca-file, --cert-file and --key-file work with --address only. Leave them out.");
  }
  const request: VerificationRequest = {
    realm: options.realm,
    token: new Secret(token),
    credential: readCredential(options),
    explain: options.explain ?? false,
    proof: readProof(options),
  };
  const clock = clockAt(options.at, context);
  const opened =
    options.config === undefined
      ? connect(options.address ?? DEFAULT_ADDRESS, tls)
      : await openOffline(options.config, clock, context, options.json ?? false);
  try {
    const outcome = await opened.verifier.verify(request, {
      requestId: `cli-${randomUUID()}`,
      address: "",
      deadline: clock() + TIMEOUT,
    });
    const isOutage = outcome.kind === "failure" && OUTAGES.has(outcome.reason);
    return { outcome, why: isOutage ? opened.serviceState?.().why?.[options.realm] : undefined };
  } finally {
    await opened.close();
  }
}

interface OpenVerifier {
  readonly verifier: Verifier;
  /** Absent for a running service. */
  readonly serviceState?: Core["serviceState"];
  close(): Promise<void> | void;
}

/** Opens the core of a configuration without changing its store. @param clock the time to verify at */
async function openOffline(file: string, clock: Clock, context: CliContext, json: boolean): Promise<OpenVerifier> {
  const loaded = loadConfig(file, context);
  // The operator has the configuration and its keys, so explanations disclose nothing new.
  const config = { ...loaded, realms: loaded.realms.map((realm) => ({ ...realm, explain: "anyone" as const })) };
  // With --json, standard error is JSON only.
  if (!json && config.masterKeys.length > 0 && isStoreMissing(config)) {
    printError(
      `There is no store at ${storePlace(config)} yet: only the seed's callers and users are known, and no token is revoked.`,
    );
  }
  // A service may be running on the store, and with --at the clock is not the real time.
  return openCore(config, { clock, log: pino({ level: "silent" }), readOnlyAt: context.clock() });
}

function connect(address: string, tls: ConfiguredTls | undefined): OpenVerifier {
  try {
    const verifier = channelVerifier(address, { tls });
    return { verifier, close: () => verifier.close() };
  } catch {
    throw new UsageError("--address must be host:port, dns:///name:port or unix:/path.");
  }
}

function readCredential({ secretKeyFile, clientId, clientSecretFile }: VerifyOptions): Credential | undefined {
  if (secretKeyFile !== undefined && clientId !== undefined) {
    throw new UsageError("Give one caller: --secret-key-file, or --client-id with --client-secret-file.");
  }
  if (secretKeyFile !== undefined) return { kind: "instance", secretKey: new Secret(readSecretFile(secretKeyFile)) };
  if ((clientId === undefined) !== (clientSecretFile === undefined)) {
    throw new UsageError("Give --client-id and --client-secret-file together.");
  }
  if (clientId === undefined || clientSecretFile === undefined) return undefined;
  return { kind: "client", clientId, clientSecret: new Secret(readSecretFile(clientSecretFile)) };
}

function clockAt(at: string | undefined, { clock }: CliContext): Clock {
  if (at === undefined) return clock;
  const millis = readTime("--at", at);
  return () => millis;
}
