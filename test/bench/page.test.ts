import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { markdownOf, replacePart, textOf } from "../../bench/grid.js";
import { drawChart, ticks } from "../../bench/svg.js";
import { ROOT } from "../cli/harness.js";

const GRID = { title: "Costs:", header: ["", "µs"], rows: [["a call", "1.5"]] };
const CHART = {
  title: "Keys & realms",
  xLabel: "keys",
  yLabel: "µs per token",
  points: ["1", "10"],
  series: { seen: [10, 20], fresh: [30, 30] },
};

describe("bench: what a page shows", () => {
  it("a table is printed in equal columns", () => {
    expect(textOf(GRID)).to.equal("Costs:\n           µs\n  a call  1.5");
  });

  it("a table in Markdown has its title above it, and its figures aligned to the right", () => {
    expect(markdownOf(GRID)).to.equal("Costs:\n\n|  | µs |\n| --- | ---: |\n| a call | 1.5 |");
  });

  it("a part of a page is replaced, and the rest stays", () => {
    const page = "before\n<!-- table -->\nold\n<!-- /table -->\nafter\n";
    const replaced = "before\n<!-- table -->\n\nnew\n\n<!-- /table -->\nafter\n";
    expect(replacePart(page, "table", "new")).to.equal(replaced);
    expect(replacePart(replaced, "table", "new")).to.equal(replaced);
  });

  it("a page without the part is an error", () => {
    expect(() => replacePart("nothing", "table", "new")).to.throw("the page has no part <!-- table -->");
  });

  for (const [most, expected] of [
    [1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [47, [0, 10, 20, 30, 40, 50]],
    [110, [0, 25, 50, 75, 100, 125]],
    [2_000, [0, 500, 1_000, 1_500, 2_000]],
  ] as const) {
    it(`an axis up to ${most} has the round values ${expected.join(", ")}`, () => {
      expect(ticks(most)).to.deep.equal(expected);
    });
  }

  it("a chart shows its title, its axes with units, its points, and each value's ratio to the first", () => {
    const svg = drawChart(CHART);
    const texts = Array.from(svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g), ([, text]) => text);
    expect(texts).to.include.members([
      "Keys &amp; realms",
      "keys",
      "µs per token",
      "1",
      "10",
      "seen",
      "fresh",
      "2.00×",
      "1.00×",
    ]);
    expect(svg.match(/<circle/g)).to.have.length(4);
  });

  it("docs/performance.md has the parts that the benchmarks write, and its pictures exist", () => {
    const page = readFileSync(path.join(ROOT, "docs/performance.md"), "utf8");
    for (const part of ["table", "peers", "goals", "profile"]) {
      expect(page).to.include(`<!-- ${part} -->`).and.to.include(`<!-- /${part} -->`);
    }
    const pictures = Array.from(page.matchAll(/\]\((images\/[\w-]+\.svg)\)/g), ([, file = ""]) => file);
    expect(pictures).to.have.length(6);
    expect(pictures.filter((file) => !existsSync(path.join(ROOT, "docs", file)))).to.deep.equal([]);
  });
});
