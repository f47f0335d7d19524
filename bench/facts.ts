import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Filled } from "./fill.js";

// How many tokens the cache of tokens seen before holds, and what that takes of the process's memory: a process with the
// usual 64 MiB beside one that keeps none, both after the same tokens.

/** What a cache of 64 MiB holds and takes. */
export interface FactsHeld {
  /** The length of the tokens in characters. */
  readonly length: number;
  /** The tokens that it holds. */
  readonly held: number;
  /** The memory that the process has more than one without a cache, in MiB, without the garbage of either. */
  readonly mib: number;
  /** The same while tokens pass, with what the garbage collector leaves. */
  readonly busy: number;
  /** The memory of the process after all tokens, beside that after half of them. */
  readonly growth: number;
}

const MIB = 1024 ** 2;
const SCRIPT = fileURLToPath(new URL("fill.ts", import.meta.url));

/** Fills caches with distinct tokens. @param tokens enough to fill one several times */
export async function factsHeld(tokens: number): Promise<FactsHeld> {
  const [cached, plain] = await Promise.all([fill(64 * MIB, tokens), fill(0, tokens)]);
  const rss = (filled: Filled, tenth: number): number => filled.rss[tenth - 1] ?? Number.NaN;
  return {
    length: cached.length,
    held: cached.held,
    mib: (cached.compact - plain.compact) / MIB,
    busy: (rss(cached, 10) - rss(plain, 10)) / MIB,
    growth: rss(cached, 10) / rss(cached, 5),
  };
}

async function fill(bytes: number, tokens: number): Promise<Filled> {
  const flags = ["--import=tsx", "--expose-gc", SCRIPT, String(bytes), String(tokens)];
  const { stdout } = await promisify(execFile)(process.execPath, flags);
  return JSON.parse(stdout) as Filled;
}
