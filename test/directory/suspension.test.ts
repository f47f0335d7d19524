import { expect } from "chai";
import { Suspension } from "../../src/directory/suspension.js";

describe("a suspension of the process", () => {
  let now: number;
  let suspension: Suspension;
  beforeEach(() => {
    now = 1_000_000;
    suspension = new Suspension(() => now);
  });
  afterEach(() => suspension.stop());

  it("a gap of more than a second counts until the feed was read", async () => {
    now += 1_000;
    expect(suspension.isAfterGap(now)).to.equal(false);
    now += 1;
    expect(suspension.isAfterGap(now)).to.equal(true);
    await suspension.end();
    expect(suspension.isAfterGap(now)).to.equal(false);
  });

  it("a reading that was under way may be from before the gap, so the one after it is awaited, and shared", async () => {
    let readings = 0;
    suspension.follow = async () => {
      readings += 1;
    };
    now += 5_000;
    await Promise.all([suspension.end(), suspension.end()]);
    expect(readings).to.equal(2);
  });

  for (const [what, follow] of [
    ["fails", () => Promise.reject(new Error("away"))],
    ["never ends", () => new Promise<void>(() => {})],
  ] as const) {
    it(`a reading that ${what} holds up no verdict for long`, async () => {
      suspension.follow = follow;
      now += 5_000;
      await suspension.end();
      expect(suspension.isAfterGap(now)).to.equal(false);
    });
  }
});
