import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ROOT } from "../cli/harness.js";
import { brokenLinks, readGuide } from "./guide.js";

const GUIDES = readdirSync(join(ROOT, "docs/guides")).map((file) => file.replace(/\.md$/, ""));

describe("docs/guides", () => {
  for (const name of GUIDES) {
    it(`${name}.md has no link that leads nowhere`, () => {
      expect(brokenLinks(readGuide(name))).to.deep.equal([]);
    });
  }

  it("are all in the README", () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    for (const name of GUIDES) expect(readme).to.include(`docs/guides/${name}.md`);
  });

  it("a link that leads nowhere is found", () => {
    const file = join(ROOT, "docs/guides/a.md");
    const text =
      "# One\n[a](#one) [b](#two) [c](nowhere.md) [d](../reference/metrics.md#metrics) [e](../reference/metrics.md#x)";
    expect(brokenLinks({ file, text })).to.deep.equal(["#two", "nowhere.md", "../reference/metrics.md#x"]);
  });
});
