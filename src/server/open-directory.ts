import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { CommandError, EXIT } from "../cli/errors.js";
import type { Config } from "../config/load.js";
import type { Directory } from "../directory/directory.js";
import { type MasterKeys, readMasterKeys } from "../directory/master-keys.js";
import { openSqliteDirectory, readSqliteDirectory, type SqliteOptions } from "../directory/sqlite/directory.js";
import type { Clock } from "../util/clock.js";

/** A directory and the keys to it. */
export interface OpenDirectory {
  readonly directory: Directory;
  readonly masterKeys: MasterKeys;
}

/** Milliseconds that a command waits for another writer; unlike a service, it has nobody else to answer meanwhile. */
const PATIENCE = 10_000;

/**
 * Opens the directory of a configuration that has a master key.
 *
 * @param patience how long to wait for another process's lock; the engine's own where it is left out
 */
export function openDirectory(
  config: Config,
  clock: Clock,
  patience: Pick<SqliteOptions, "busyTimeout" | "opening"> = {},
): OpenDirectory {
  const masterKeys = readMasterKeys(config.masterKeys);
  const path = storePath(config);
  return { directory: openSqliteDirectory({ path, masterKeys, clock, ...patience }), masterKeys };
}

/**
 * The same, to read it: nothing is written into it or made.
 *
 * @returns undefined where there is no store yet
 */
export function readDirectory(config: Config, clock: Clock): OpenDirectory | undefined {
  const masterKeys = readMasterKeys(config.masterKeys);
  const directory = readSqliteDirectory({ path: storePath(config), masterKeys, clock });
  return directory && { directory, masterKeys };
}

/** The file of a configuration's store. */
export const storePath = ({ store }: Config): string => store.url.replace(/^sqlite:/, "");

/** What a command does to the store: makes one where there is none, changes the one that is there, or reads it. */
type Use = "make" | "change" | "read";

/**
 * Does a command's work on the directory of a configuration.
 *
 * @param use only `make` makes a store where there is none: an empty one in the place of one that was lost would keep the
 * seed out, and nobody would be known
 * @throws {CommandError} where it has none
 */
export async function onDirectory<Result>(
  config: Config,
  clock: Clock,
  use: Use,
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
      `There is no store at ${storePath(config)}. If it was there, restore it from a backup; a new one is made by serve and by import alone.`,
      EXIT.usage,
    );
  }
  try {
    return await work(open);
  } finally {
    await open.directory.close();
  }
}

function openFor(use: Use, config: Config, clock: Clock): OpenDirectory | undefined {
  if (use === "read") return readDirectory(config, clock);
  if (use === "change" && !existsSync(storePath(config))) return undefined;
  return openDirectory(config, clock, { busyTimeout: PATIENCE });
}

/** Who stands in the audit for what a command did: the user of the system. */
export function actorOfCommand(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    return `cli:${process.getuid?.() ?? "unknown"}`; // a container's user need not have a name
  }
}
