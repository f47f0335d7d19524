import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Config } from "../config/load.js";
import type { Clock } from "../util/clock.js";
import { type OpenDirectory, openDirectory, readDirectory } from "./open-directory.js";
import { seed } from "./seed-file.js";

/**
 * Opens the store of a configuration to read it. Where it is not there, or nothing was ever written to it, the seed fills
 * another, in a temporary folder that goes when it is closed: who only asks must make none. A start would not take it for
 * a new one, and nobody would hear that the one before was lost.
 *
 * @throws {ConfigError} where the seed cannot be used, {DirectoryError}
 */
export async function readOrSeedAside(config: Config, clock: Clock, log: Logger): Promise<OpenDirectory> {
  const stored = readDirectory(config, clock);
  if (stored !== undefined && !(await stored.directory.isEmpty())) return stored;
  const aside = await seedAside(config, clock, log).catch(async (error: unknown) => {
    await stored?.directory.close();
    throw error;
  });
  if (stored === undefined) return aside;
  const { directory, masterKeys } = aside;
  return {
    masterKeys,
    directory: {
      ...directory,
      // What is fetched is saved in a store that has no entry yet, too.
      keySets: () => stored.directory.keySets(),
      close: async () => {
        await stored.directory.close();
        await directory.close();
      },
    },
  };
}

async function seedAside(config: Config, clock: Clock, log: Logger): Promise<OpenDirectory> {
  const folder = mkdtempSync(join(tmpdir(), "token-verifier-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const url = `sqlite:${join(folder, "verifier.db")}`;
    const { directory, masterKeys } = openDirectory({ ...config, store: { ...config.store, url } }, clock);
    const close = async (): Promise<void> => {
      await directory.close();
      remove();
    };
    await seed(directory, config.directory, log).catch(async (error: unknown) => {
      await close();
      throw error;
    });
    return { masterKeys, directory: { ...directory, close } };
  } catch (error) {
    remove();
    throw error;
  }
}
