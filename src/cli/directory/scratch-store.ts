import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../config/load.js";
import { storePath } from "./directory.js";

/** A configuration whose store may be used and is there. */
interface Scratch {
  readonly config: Config;
  /** The file that its own store would have; undefined where that is there, or no store is wanted. */
  readonly absent: string | undefined;
  /** Ends it, after the store was closed. */
  remove(): void;
}

/**
 * The same configuration, with a store of its own in a temporary folder where its own store is not there: who only asks
 * must make none. A start would not take it for a new one, and nobody would hear that the one before was lost.
 */
export function scratchStore(config: Config): Scratch {
  const file = storePath(config);
  if (config.masterKeys.length === 0 || existsSync(file)) return { config, absent: undefined, remove: () => {} };
  const folder = mkdtempSync(join(tmpdir(), "token-verifier-"));
  return {
    config: { ...config, store: { ...config.store, url: `sqlite:${join(folder, "verifier.db")}` } },
    absent: file,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
