import { statSync } from "node:fs";
import { type Config, loadConfig } from "../../config/load.js";
import { readText } from "../../config/read-file.js";
import type { DirectoryEntry } from "../../directory/commands.js";
import type { KeySetName } from "../../directory/model.js";
import { countMissing } from "../../directory/transfer/seed.js";
import type { LoadedSet } from "../../keys/jwks.js";
import { KeyError } from "../../keys/key.js";
import { FetchError } from "../../keys/remote/answer.js";
import { fetchOnce } from "../../keys/remote/documents.js";
import { printableLocation } from "../../keys/remote/location.js";
import { ofRealms } from "../../server/saved-sets.js";
import { readSeedFile } from "../../server/seed.js";
import { isStoreMissing, readDirectory, storePlace } from "../../server/store.js";
import type { Clock } from "../../util/clock.js";
import type { CliContext } from "../command.js";

/** What `check` examines: a configuration, and what it refers to. */
export interface CheckSubject extends Config {
  /** The time of the check, in milliseconds since 1970. */
  readonly now: number;
  /** The configuration itself, and every file that it names. */
  readonly filesRead: readonly FileRead[];
  readonly seed: readonly DirectoryEntry[];
  /** The key sets that issuers publish, as fetched for the check. */
  readonly fetches: readonly CheckedFetch[];
  /** How many entries of the seed the store, filled earlier, does not hold. */
  readonly seedIgnored: number;
  /** The file of a store that is configured but does not exist. */
  readonly storeAbsent: string | undefined;
  /** Saved key sets of configured realms that no master key opens. */
  readonly setsUnopened: readonly KeySetName[];
}

/** A file that a configuration was read from. */
interface FileRead {
  readonly file: string;
  readonly text: string;
  /** Permission bits (POSIX); undefined on Windows. */
  readonly mode: number | undefined;
}

/** A key set of a realm, fetched for the check. */
export interface CheckedFetch {
  readonly realm: string;
  readonly location: string;
  /** The URLs that were asked, in order, without queries: metadata, keys and redirects. */
  readonly asked: readonly string[];
  /** Whether plain http and private addresses are allowed. */
  readonly insecure: boolean;
  /** The set; a text says why there is none. */
  readonly set: LoadedSet | string;
}

/** The sets that were fetched for a realm. */
export const setsOf = (fetches: readonly CheckedFetch[], name: string): readonly LoadedSet[] =>
  fetches.flatMap(({ realm, set }) => (realm === name && typeof set !== "string" ? [set] : []));

/**
 * Reads a configuration and what it refers to: its files, the seed, an existing store, and the key sets of issuers.
 * Writes nothing.
 *
 * @throws {ConfigError}, {DirectoryError} if the service could not start with it
 */
export async function readSubject(file: string, { env, clock }: CliContext): Promise<CheckSubject> {
  const filesRead: FileRead[] = [];
  const readFile = (name: string): string => {
    const text = readText(name);
    filesRead.push({ file: name, text, mode: modeOf(name) });
    return text;
  };
  const config = loadConfig(file, { env, readFile });
  const seed = config.directory === undefined ? [] : readSeedFile(config.directory, readFile);
  const fetches = await fetchSets(config);
  return { ...config, now: clock(), filesRead, seed, fetches, ...(await inspect(config, seed, clock)) };
}

function modeOf(file: string): number | undefined {
  return process.platform === "win32" ? undefined : statSync(file).mode;
}

/** Fetches all key sets of a configuration at the same time. */
export function fetchSets({ realms, proxies }: Pick<Config, "realms" | "proxies">): Promise<readonly CheckedFetch[]> {
  return Promise.all(
    realms.flatMap(({ name, algorithms, remotes }) =>
      remotes.map(async (entry) => {
        const asked: string[] = [];
        const onRequest = (url: string): void => void asked.push(url);
        const set = await fetchOnce({ ...entry, proxies, onRequest }, algorithms).catch(whyFailed);
        return { realm: name, location: printableLocation(entry.location), asked, insecure: entry.insecure, set };
      }),
    ),
  );
}

function whyFailed(error: unknown): string {
  if (error instanceof FetchError || error instanceof KeyError) return error.message;
  throw error;
}

async function inspect(
  config: Config,
  seed: readonly DirectoryEntry[],
  clock: Clock,
): Promise<Pick<CheckSubject, "seedIgnored" | "storeAbsent" | "setsUnopened">> {
  const nothing = { seedIgnored: 0, storeAbsent: undefined, setsUnopened: [] };
  if (config.masterKeys.length === 0) return nothing;
  const open = await readDirectory(config, clock);
  if (open === undefined) return { ...nothing, storeAbsent: isStoreMissing(config) ? storePlace(config) : undefined };
  const { directory } = open;
  try {
    const { unopened } = await directory.keySets();
    return {
      ...nothing,
      seedIgnored: (await directory.isEmpty()) ? 0 : await countMissing(directory, seed),
      setsUnopened: ofRealms(unopened, config.realms),
    };
  } finally {
    await directory.close();
  }
}
