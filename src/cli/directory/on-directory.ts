import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import type { Config } from "../../config/load.js";
import { type OpenDirectory, openDirectory, readDirectory, storePath } from "../../server/store.js";
import type { Clock } from "../../util/clock.js";
import { CommandError, EXIT } from "../errors.js";

/** How long a command waits for another process's lock, in milliseconds. */
const LOCK_TIMEOUT = 10_000;

/** What a command does to the store: makes it where there is none, changes an existing one, or reads it. */
type StoreUse = "make" | "change" | "read";

/**
 * Runs a command's work on the directory of a configuration, and closes the store afterwards.
 *
 * @param use only `make` makes a store where there is none: an empty store in the place of a lost one would keep the seed
 * out, so the service would know no callers
 * @throws {CommandError} where the configuration has no directory, or there is no store
 */
export async function onDirectory<Result>(
  config: Config,
  clock: Clock,
  use: StoreUse,
  work: (open: OpenDirectory) => Promise<Result>,
): Promise<Result> {
  if (config.masterKeys.length === 0) {
    throw new CommandError(
      `${config.file} has no masterKey, and so no directory. Make one with: openssl rand -base64 32`,
      EXIT.usage,
    );
  }
  const open = openFor(use, config, clock);
  if (open === undefined) {
    throw new CommandError(
      `There is no store at ${storePath(config)}. If there was one, restore it from a backup; only serve and import make a new one.`,
      EXIT.usage,
    );
  }
  try {
    return await work(open);
  } finally {
    await open.directory.close();
  }
}

function openFor(use: StoreUse, config: Config, clock: Clock): OpenDirectory | undefined {
  if (use === "read") return readDirectory(config, clock);
  if (use === "change" && !existsSync(storePath(config))) return undefined;
  return openDirectory(config, clock, { busyTimeout: LOCK_TIMEOUT });
}

/** Actor that the audit names for a command: `cli:` and the system's user. */
export function actorOfCommand(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    return `cli:${process.getuid?.() ?? "unknown"}`; // a container's user may have no name
  }
}
