import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { expect } from "chai";
import { FACT_CACHES } from "../support/fact-cache.js";

// The suites of whole services, run again with each state of the fact cache: no outcome may depend on it.

const MOCHA = createRequire(import.meta.url).resolve("mocha/bin/mocha.js");
const ROOT = new URL("../../", import.meta.url);

// Those that ask about one token more than once, or about nearly the same one; test/verifier/decide.test.ts runs all cases
// with each state of the cache in one process.
const FILES = [
  "test/e2e/issuers.test.ts",
  "test/e2e/proofs.test.ts",
  "test/attacks/caching.test.ts",
  "test/attacks/confusion.test.ts",
  "test/attacks/issuers.test.ts",
  "test/attacks/keys.test.ts",
  "test/attacks/poison.test.ts",
];

describe("suites with each state of the fact cache", () => {
  for (const facts of FACT_CACHES) {
    it(`cases and attacks have the same outcomes with a fact cache that is ${facts}`, () => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [MOCHA, ...FILES], {
        cwd: ROOT,
        env: { ...process.env, FACTS: facts },
        encoding: "utf8",
      });
      expect(status, `${stdout}${stderr}`.slice(-4000)).to.equal(0);
      expect(stdout).to.match(/\d{2,} passing/);
    }).timeout(300_000);
  }
});
