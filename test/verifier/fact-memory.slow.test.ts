import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { TOKENS } from "./fact-tokens.js";

// The estimated size of facts beside the memory that they take, each kind in a process of its own.

const SCRIPT = fileURLToPath(new URL("fact-memory.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** By how many bytes the memory of equal processes differs. */
const NOISE = 2 * 1024 ** 2;

describe("the estimated size of facts", () => {
  for (const [name, { most }] of Object.entries(TOKENS)) {
    it(`${name}: the estimate is at least the memory that their facts take, and at most ${most} times as much`, () => {
      const flags = ["--import=tsx", "--expose-gc", SCRIPT, name];
      const { stdout, stderr } = spawnSync(process.execPath, flags, { cwd: ROOT, encoding: "utf8" });
      expect(stdout, stderr).not.to.equal("");
      const { estimated, heap, rss } = JSON.parse(stdout) as Record<"estimated" | "heap" | "rss", number>;
      expect(estimated, "heap").to.be.within(heap, heap * most);
      expect(estimated, "memory of the process").to.be.within(rss - NOISE, rss * most + NOISE);
    });
  }
});
