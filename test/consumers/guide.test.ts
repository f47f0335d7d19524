import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ROOT } from "../cli/harness.js";
import { BLOCKS, GUIDE, SNIPPETS } from "./guide.js";

describe("docs/guides/use-the-proto.md", () => {
  it("every code block of the guide is used by a test", () => {
    expect(SNIPPETS.size).to.equal(BLOCKS);
    const folder = join(ROOT, "test/consumers");
    const tests = readdirSync(folder)
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => readFileSync(join(folder, name), "utf8"))
      .join("");
    for (const name of SNIPPETS.keys()) expect(tests).to.include(`"${name}"`);
  });

  it("the guide names only files that exist", () => {
    for (const [, target = ""] of GUIDE.matchAll(/\]\(([^)#]+)\)/g)) {
      expect(existsSync(join(ROOT, "docs/guides", target)), target).to.equal(true);
    }
  });
});
