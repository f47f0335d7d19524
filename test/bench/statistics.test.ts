import { expect } from "chai";
import { type Contender, race, ratios, spread } from "../../bench/compare.js";
import { quantile } from "../../bench/open-loop.js";
import { compareReports, type Report, ratioOf } from "../../bench/report.js";

/** A server whose requests cost what a list says, round by round. */
function contender(name: string, costs: readonly number[], order: string[] = []): Contender {
  let spent = 0;
  let round = 0;
  return {
    name,
    server: { cpu: () => Promise.resolve(spent) },
    send: (count) => {
      order.push(`${name} ${count}`);
      spent += count * (costs[round++] ?? 0);
      return Promise.resolve();
    },
  };
}

const reportWith = (figures: Report["figures"]): Report => ({
  benchmark: "table",
  machine: {
    cpu: "a processor",
    cores: 2,
    node: "v26.0.0",
    platform: "linux x64",
    commit: "abc",
    date: "2026-01-02T03:04:05Z",
  },
  rounds: 3,
  requests: 1,
  figures,
  floors: { ours: "bare", theirs: "absent" },
});

describe("bench: figures of a race", () => {
  it("the spread of some figures is their least, their median and their greatest", () => {
    expect(spread([5, 1, 9])).to.deep.equal({ min: 1, median: 5, max: 9 });
  });

  it("a race counts every round but the one in which code is compiled", async () => {
    const figures = await race([contender("a", [100, 1, 2, 3])], { rounds: 3, requests: 10 });
    expect(figures.get("a")).to.deep.equal([1, 2, 3]);
  });

  it("a race divides the cost of a request by the tokens in it", async () => {
    const figures = await race([{ ...contender("a", [0, 50]), each: 10 }], { rounds: 1, requests: 4 });
    expect(figures.get("a")).to.deep.equal([5]);
  });

  it("every second round of a race has the opposite order", async () => {
    const order: string[] = [];
    const all = ["a", "b"].map((name) => ({ ...contender(name, [], order), warm: 9 }));
    await race(all, { rounds: 2, requests: 1 });
    expect(order).to.deep.equal(["a 9", "b 9", "a 1", "b 1", "b 1", "a 1"]);
  });

  it("ratios are those of the same round, so that a slow round does not change them", () => {
    const figures = new Map([
      ["ours", [10, 1000, 10]],
      ["bare", [5, 500, 5]],
    ]);
    expect(ratios(figures, "ours", "bare")).to.deep.equal([2, 2, 2]);
    expect(ratioOf(figures, "ours", "bare")).to.equal(2);
  });

  it("a comparison with an earlier run shows ratios to floors, not figures", () => {
    const then = reportWith({ ours: [20, 20, 20], bare: [10, 10, 10], theirs: [1, 1, 1] });
    const now = reportWith({ ours: [30, 30, 30], bare: [30, 30, 30], theirs: [1, 1, 1] });
    const [about, , ...lines] = compareReports(then, now);
    expect(about).to.equal("beside a processor, 2 cores, linux x64, Node.js 26.0.0, 2026-01-02, commit abc");
    expect(lines.map((line) => line.trim().split(/ {2,}/))).to.deep.equal([["ours", "2.00", "1.00", "0.50", "bare"]]);
  });

  it("99 % of some values do not exceed their 0.99 quantile", () => {
    const values = Array.from({ length: 100 }, (_, n) => 100 - n);
    expect([quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1)]).to.deep.equal([50, 99, 100]);
  });
});
