import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { runAfter, until } from "../../src/util/timeouts.js";

describe("until", () => {
  it("until ends when the work is done or fails, whatever the limit", async () => {
    for (const limit of [60_000, Number.POSITIVE_INFINITY, 2 ** 40]) {
      expect(await until(Promise.resolve(), limit)).to.equal(true);
      expect(await until(Promise.reject(new Error("failed")), limit)).to.equal(true);
    }
  });

  it("until ends at the limit, and at once if the limit has passed", async () => {
    for (const limit of [5, 0, -1000]) expect(await until(new Promise(() => {}), limit)).to.equal(false);
  });
});

describe("runAfter", () => {
  it("runAfter runs a function once, unless it is cancelled", async () => {
    let runs = 0;
    runAfter(1, () => runs++);
    runAfter(1, () => runs++)();
    // A delay above Node's limit must not fire at once.
    const cancel = runAfter(2 ** 40, () => runs++);
    await sleep(20);
    cancel();
    expect(runs).to.equal(1);
  });
});
