import { randomUUID } from "node:crypto";
import type { Command } from "commander";
import type { Duration } from "../../gen/google/protobuf/duration.js";
import { type Config, loadConfig } from "../config/load.js";
import type { Operations } from "../grpc/admin/methods.js";
import { operationsOn } from "../grpc/admin/operations.js";
import { revocableRealmsOf } from "../server/realms.js";
import { revocationMaker } from "../server/revocation-maker.js";
import { Secret } from "../util/secret.js";
import { parseDuration } from "../util/units.js";
import { durationFromMillis } from "../wire/protobuf.js";
import { openAdminChannel } from "./admin-channel.js";
import { type CliContext, configOption, jsonOption } from "./command.js";
import { UsageError } from "./errors.js";
import { actorOfCommand, configFile, onDirectory, readSecretFile, type StoreUse } from "./resolve.js";
import { addTlsOptions, readTlsOptions, type TlsOptions } from "./tls-options.js";

// Where the operators' commands do their work: on the store of a configuration, or on a running service.

/** The options of every operators' command. */
export interface OperatorOptions extends TlsOptions {
  readonly config?: string;
  readonly admin?: string;
  readonly adminKeyFile?: string;
  readonly json?: boolean;
}

/** Adds `--config`, `--admin`, `--admin-key-file`, those of TLS, and `--json`. @param json what `--json` does */
export function addOperatorOptions(command: Command, json?: string): Command {
  command
    .addOption(configOption())
    .option(
      "--admin <address>",
      "do it on a running service, at its admin address, instead of on the store of --config",
    )
    .option("--admin-key-file <file>", "with --admin: the operator's key");
  return addTlsOptions(command).addOption(jsonOption(json));
}

/** A request id: one for each run of a command, however often its call is sent. */
export const drawRequestId = (): string => randomUUID();

/**
 * Runs a command's work on a running service (`--admin`), or on the store of a configuration as the operator `cli:USER` of
 * the role admin.
 *
 * @param use what is done to the store, if it is one
 */
export async function withOperations<Result>(
  options: OperatorOptions,
  context: CliContext,
  use: StoreUse,
  work: (operations: Operations) => Promise<Result>,
): Promise<Result> {
  if (options.admin !== undefined) return onService(options.admin, options, work);
  checkLocal(options);
  const config = loadConfig(configFile(options.config), context);
  return onStore(config, context, use, work);
}

/** Refuses options that only a running service has a use for. @throws {UsageError} */
export function checkLocal({ adminKeyFile, tls, caFile, certFile, keyFile }: OperatorOptions): void {
  if (tls !== true && (adminKeyFile ?? caFile ?? certFile ?? keyFile) === undefined) return;
  throw new UsageError(
    "--admin-key-file and the options of TLS are for a running service. Give --admin ADDRESS with them.",
  );
}

async function onService<Result>(
  address: string,
  options: OperatorOptions,
  work: (operations: Operations) => Promise<Result>,
): Promise<Result> {
  if (options.config !== undefined) {
    throw new UsageError("Give either --admin (a running service) or --config (its store), not both.");
  }
  const { adminKeyFile } = options;
  const key = adminKeyFile === undefined ? undefined : new Secret(readSecretFile(adminKeyFile));
  const channel = open();
  try {
    return await work(channel.operations);
  } finally {
    channel.close();
  }

  function open(): ReturnType<typeof openAdminChannel> {
    const tls = readTlsOptions(options);
    try {
      return openAdminChannel({ address, key, tls });
    } catch {
      throw new UsageError("--admin must be host:port, dns:///name:port or unix:/path.");
    }
  }
}

function onStore<Result>(
  config: Config,
  { clock }: CliContext,
  use: StoreUse,
  work: (operations: Operations) => Promise<Result>,
): Promise<Result> {
  return onDirectory(config, clock, use, async ({ directory, masterKeys }) => {
    let fault: unknown;
    const operations = operationsOn({
      store: directory.operators,
      clock,
      keys: masterKeys,
      makeRevocation: revocationMaker(() => revocableRealmsOf(config.realms)),
      realms: () => [],
      onFault: (error) => {
        fault ??= error;
      },
    });
    try {
      return await work(operations({ actor: actorOfCommand(), role: "admin" }));
    } catch (error) {
      // Whoever has the store and its keys may see why it cannot be used.
      throw fault ?? error;
    }
  });
}

/** Lists all pages. @param limit the most entries; default: all */
export async function allPages<Entry>(
  limit: number,
  read: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<{
    readonly entries: readonly Entry[];
    readonly nextPageToken: string;
  }>,
): Promise<readonly Entry[]> {
  const all: Entry[] = [];
  let pageToken = "";
  do {
    const page = await read({ pageSize: Math.min(1_000, limit - all.length), pageToken });
    all.push(...page.entries);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && all.length < limit);
  return all;
}

/** A grace period that `--grace` gives. @throws {UsageError} */
export function readGrace(text: string): Duration {
  const millis = parseDuration(text);
  if (millis !== undefined) return durationFromMillis(millis);
  throw new UsageError("--grace must be a duration, such as 24h, 30m or 0s.");
}

/** A limit that an option gives. @throws {UsageError} */
export function readLimit(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError("--limit must be a number from 1.");
}
