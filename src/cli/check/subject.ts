import { statSync } from "node:fs";
import { type Config, loadConfig } from "../../config/load.js";
import { readText } from "../../config/read-file.js";
import type { Entry } from "../../directory/commands.js";
import { readMasterKeys } from "../../directory/master-keys.js";
import { inspectStore } from "../../directory/sqlite/inspect.js";
import { ofRealms } from "../../server/saved-sets.js";
import { readSeedFile } from "../../server/seed.js";
import { storePath } from "../../server/store.js";
import type { CliContext } from "../cli-context.js";
import type { FileRead, Subject } from "./findings.js";
import { reachKeys } from "./reach-keys.js";

/**
 * Reads a configuration with all that it names: its files, the seed, the store as far as there is one, and the keys that
 * issuers publish. Writes nothing.
 *
 * @throws {ConfigError}, {DirectoryError} where the service could not start with it
 */
export async function readSubject(file: string, { env, clock }: CliContext): Promise<Subject> {
  const filesRead: FileRead[] = [];
  const readFile = (name: string): string => {
    const text = readText(name);
    filesRead.push({ file: name, text, mode: modeOf(name) });
    return text;
  };
  const config = loadConfig(file, { env, readFile });
  const seed = config.directory === undefined ? [] : readSeedFile(config.directory, readFile);
  const reached = await reachKeys(config);
  return { ...config, now: clock(), filesRead, seed, reached, ...lookAtStore(config, seed) };
}

function modeOf(file: string): number | undefined {
  return process.platform === "win32" ? undefined : statSync(file).mode;
}

/** What is found of the store. */
function lookAtStore(
  config: Config,
  seed: readonly Entry[],
): Pick<Subject, "seedIgnored" | "storeAbsent" | "setsUnopened"> {
  const nothing = { seedIgnored: 0, storeAbsent: undefined, setsUnopened: [] };
  const { masterKeys, store, realms } = config;
  if (masterKeys.length === 0 || !store.url.startsWith("sqlite:")) return nothing;
  const keys = readMasterKeys(masterKeys);
  const file = storePath(config);
  const found = inspectStore(file, keys, seed);
  if (found === undefined) return { ...nothing, storeAbsent: file };
  return {
    ...nothing,
    seedIgnored: found.isEmpty ? 0 : found.lacking,
    setsUnopened: ofRealms(found.unopened, realms),
  };
}
