import { expect } from "chai";
import { clockTrouble, watchClocks } from "../../src/server/replica-clock.js";
import { createMemoryLog } from "../support/log.js";

describe("the clock of a replica", () => {
  it("each state is logged once, and too great a difference names both times", () => {
    const { log, text } = createMemoryLog();
    let offset = 0;
    const clocks = { clock: () => Date.UTC(2030, 0, 1), offset: () => offset, max: 30_000 };
    const look = watchClocks(clocks, log);
    for (offset of [0, 2_000, -2_001, 5_000, 30_000, -30_001, 40_000, 3_000, 0]) look();
    const lines = text().trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).to.deep.equal([
      "clock differs from the store's",
      "clock differs from the store's: no verdicts are given",
      "clock differs from the store's",
      "clock agrees with the store's again",
    ]);
    offset = 30_000;
    expect(clockTrouble(clocks)).to.equal(undefined);
    offset = 60_000;
    expect(clockTrouble(clocks)).to.include("(2030-01-01T00:00:00.000Z) and the store's (2029-12-31T23:59:00.000Z)");
  });
});
