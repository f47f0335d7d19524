import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { runAfter, until } from "../../src/util/timeouts.js";

describe("until", () => {
  it("ends with the work, done or failed, whatever the limit", async () => {
    for (const limit of [60_000, Number.POSITIVE_INFINITY, 2 ** 40]) {
      expect(await until(Promise.resolve(), limit)).to.equal(true);
      expect(await until(Promise.reject(new Error("failed")), limit)).to.equal(true);
    }
  });

  it("ends without the work at the limit, and at once where that has passed", async () => {
    for (const limit of [5, 0, -1000]) expect(await until(new Promise(() => {}), limit)).to.equal(false);
  });
});

describe("runAfter", () => {
  it("runs something once, unless it is cancelled", async () => {
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
