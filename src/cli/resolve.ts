import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import path from "node:path";
import type { Config } from "../config/load.js";
import { redactFileName, unreadable } from "../config/read-file.js";
import type { ConfiguredRealm } from "../config/realms.js";
import { DEVELOPMENT_FILE, DEVELOPMENT_FOLDER } from "../server/development/folder.js";
import { isStoreMissing, type OpenDirectory, openDirectory, readDirectory, storePlace } from "../server/store.js";
import type { Clock } from "../util/clock.js";
import { UsageError } from "./errors.js";

// What a command line refers to: a configuration, a realm, a file, a time, the directory.

/** The configuration that `--config` names, or the development one. @throws {UsageError} if there is neither */
export function configFile(given: string | undefined): string {
  if (given !== undefined) return given;
  const file = path.join(DEVELOPMENT_FOLDER, DEVELOPMENT_FILE);
  if (existsSync(file)) return file;
  throw new UsageError("Give a configuration with --config FILE. (`token-verifier serve` makes one for development.)");
}

/**
 * Finds a realm that has tokens and keys of its own.
 *
 * @throws {UsageError} if there is no realm of this name, or it only routes tokens to others; lists the names to choose from
 */
export function findRealm({ file, realms }: Pick<Config, "file" | "realms">, name: string): ConfiguredRealm {
  const found = realms.find((realm) => realm.name === name);
  if (found === undefined) {
    const names = realms.map((realm) => realm.name).join(", ");
    throw new UsageError(`There is no realm ${name}. ${file} has: ${names}.`);
  }
  if (found.byIssuer === undefined) return found;
  const targets = [...new Set(found.byIssuer.values())].join(", ");
  throw new UsageError(
    `The realm ${name} only routes tokens to other realms; it has no tokens or keys of its own. Choose one of: ${targets}.`,
  );
}

/** Reads a file that an option names. @throws {UsageError} if it cannot be read */
export function readNamedFile(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`${redactFileName(file)} ${unreadable(error)}.`);
  }
}

/** Reads a secret or token from a file that an option names, without surrounding white space. @throws {UsageError} */
export const readSecretFile = (file: string): string => readNamedFile(file).toString("utf8").trim();

/** Reads the time that an option gives: RFC 3339, or seconds since 1970. @returns milliseconds since 1970 @throws {UsageError} */
export function readTime(option: string, text: string): number {
  const millis = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(millis)) {
    throw new UsageError(`${option} must be a time such as 2026-01-31T12:00:00Z, or seconds since 1970.`);
  }
  return millis;
}

/** Milliseconds that a command waits for another process's lock on the store. */
const LOCK_TIMEOUT = 10_000;

/** What a command does to the store: creates it if there is none, changes an existing one, or reads it. */
export type StoreUse = "make" | "change" | "read";

/**
 * Runs a command's work on the directory of a configuration, and closes the store afterwards.
 *
 * @param use only `make` creates a missing store: an empty store in place of a lost one would keep the seed from being
 * loaded, and the service would know no callers
 * @throws {UsageError} if the configuration has no directory, or there is no store
 */
export async function onDirectory<Result>(
  config: Config,
  clock: Clock,
  use: StoreUse,
  work: (open: OpenDirectory) => Promise<Result>,
): Promise<Result> {
  if (config.masterKeys.length === 0) {
    throw new UsageError(
      `${config.file} has no masterKey, and so no directory. Make one with: openssl rand -base64 32`,
    );
  }
  const open = await openFor(use, config, clock);
  if (open === undefined) {
    throw new UsageError(
      `There is no store at ${storePlace(config)}. If there was one, restore it from a backup; only serve and import make a new one.`,
    );
  }
  try {
    return await work(open);
  } finally {
    await open.directory.close();
  }
}

async function openFor(use: StoreUse, config: Config, clock: Clock): Promise<OpenDirectory | undefined> {
  if (use === "read") return readDirectory(config, clock);
  if (use === "change" && isStoreMissing(config)) return undefined;
  return openDirectory(config, clock, { busyTimeout: LOCK_TIMEOUT });
}

/** The actor that the audit names for a command: `cli:` and the system's user. */
export function actorOfCommand(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    return `cli:${process.getuid?.() ?? "unknown"}`; // A container's user may have no name.
  }
}
