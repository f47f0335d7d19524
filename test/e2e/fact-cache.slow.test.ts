import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { expect } from "chai";
import { FACT_CACHES } from "../support/fact-cache.js";

// The suites of whole services, run again with each state of the fact cache: no outcome may depend on it.

const MOCHA = createRequire(import.meta.url).resolve("mocha/bin/mocha.js");
const ROOT = new URL("../../", import.meta.url);

const attacks = readdirSync(new URL("../attacks/", import.meta.url))
  .filter((name) => name.endsWith(".test.ts") && !name.endsWith(".slow.test.ts"))
  .map((name) => `test/attacks/${name}`);

describe("suites with each state of the fact cache", () => {
  for (const facts of FACT_CACHES) {
    for (const [what, files] of [
      ["cases", ["test/e2e/cases.test.ts", "test/e2e/issuers.test.ts", "test/e2e/proofs.test.ts"]],
      ["attacks", attacks],
    ] as const) {
      it(`the ${what} have the same outcomes with a fact cache that is ${facts}`, () => {
        const { status, stdout, stderr } = spawnSync(process.execPath, [MOCHA, ...files], {
          cwd: ROOT,
          env: { ...process.env, FACTS: facts },
          encoding: "utf8",
        });
        expect(status, `${stdout}${stderr}`.slice(-4000)).to.equal(0);
        expect(stdout).to.match(/\d{2,} passing/);
      }).timeout(300_000);
    }
  }
});
