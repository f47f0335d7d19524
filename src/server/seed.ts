import type { Logger } from "pino";
import { ConfigError } from "../config/errors.js";
import { type ReadFile, readFileText, readText } from "../config/read-file.js";
import type { DirectoryEntry } from "../directory/commands.js";
import type { Directory } from "../directory/directory.js";
import { loadSeed, readSeed, SeedError } from "../directory/transfer/seed.js";
import { tell } from "../observability/lines.js";

// The directory seed: the file that fills a new store.

/**
 * Loads the seed of a configuration into a store that was never written to.
 *
 * @param file undefined for no seed: then nothing happens
 * @throws {ConfigError} with everything that is wrong with it, {DirectoryError}
 */
export async function seed(directory: Directory, file: string | undefined, log: Logger): Promise<void> {
  if (file === undefined) return;
  // A used store ignores the seed, so a seed that is broken by now does not keep the service from starting.
  const entries = (await directory.isEmpty()) ? readSeedFile(file) : undefined;
  if (entries !== undefined && (await loadSeed(directory, entries, "seed"))) {
    tell(log, "directory seed loaded", { file, entries: entries.length });
  } else {
    tell(log, "directory seed not read: the store was filled before", { file });
  }
}

/**
 * Reads a seed.
 *
 * @param readFile default: reads from disk
 * @throws {ConfigError} with everything that is wrong with it
 */
export function readSeedFile(file: string, readFile: ReadFile = readText): readonly DirectoryEntry[] {
  const text = readFileText(file, readFile);
  try {
    return readSeed(text);
  } catch (error) {
    if (error instanceof SeedError) throw new ConfigError(file, error.issues);
    throw error;
  }
}
