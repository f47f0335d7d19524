import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ROOT } from "../cli/harness.js";
import { brokenLinks } from "./guide.js";

const PAGES = [
  ...readdirSync(ROOT).filter((file) => file.endsWith(".md")),
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => join("docs", file)),
];

const FILES = ["src", "test", "bench", "scripts", "gen"].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
);

/** Whether a name is the path of a file, or the end of one. */
const isOurs = (name: string): boolean => FILES.some((file) => file === name || file.endsWith(`/${name}`));

describe("every page", () => {
  for (const page of PAGES) {
    it(`${page} has no broken link`, () => {
      const file = join(ROOT, page);
      expect(brokenLinks({ file, text: readFileSync(file, "utf8") })).to.deep.equal([]);
    });

    it(`${page} names only source files that exist`, () => {
      // NAME is a placeholder for a new vendor's name.
      const named = Array.from(
        readFileSync(join(ROOT, page), "utf8").matchAll(/`([\w./-]+\.ts)`/g),
        ([, name = ""]) => name,
      );
      expect(named.filter((name) => !name.includes("NAME") && !isOurs(name))).to.deep.equal([]);
    });
  }
});

describe("SECURITY.md", () => {
  it("SECURITY.md names only tests that exist", () => {
    const text = readFileSync(join(ROOT, "SECURITY.md"), "utf8");
    const named = Array.from(text.matchAll(/`(test\/[\w./-]+)`/g), ([, path = ""]) => path);
    expect(named).to.have.length.above(20);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).to.deep.equal([]);
  });
});

describe("docs/README.md", () => {
  it("docs/README.md links every page under docs, and the decisions through their own index", () => {
    const linksOf = (index: string): string[] =>
      Array.from(readFileSync(join(ROOT, index), "utf8").matchAll(/\]\(([^)#]+)/g), ([, target = ""]) =>
        join(index, "..", target),
      );
    const linked = ["docs/README.md", "docs/decisions/README.md"].flatMap(linksOf);
    expect(
      PAGES.filter((page) => page !== "docs/README.md" && page.startsWith("docs/") && !linked.includes(page)),
    ).to.deep.equal([]);
  });

  it("the last link of the README is docs/README.md", () => {
    expect(
      readFileSync(join(ROOT, "README.md"), "utf8")
        .match(/\]\([^)]+\)/g)
        ?.at(-1),
    ).to.equal("](docs/README.md)");
  });
});

describe("brokenLinks", () => {
  it("brokenLinks finds links to a missing file or heading", () => {
    const file = join(ROOT, "docs/guides/a.md");
    const text =
      "# One\n[a](#one) [b](#two) [c](nowhere.md) [d](../reference/metrics.md#metrics) [e](../reference/metrics.md#x)";
    expect(brokenLinks({ file, text })).to.deep.equal(["#two", "nowhere.md", "../reference/metrics.md#x"]);
  });
});
