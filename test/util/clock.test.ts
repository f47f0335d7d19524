import { expect } from "chai";
import { systemClock } from "../../src/util/clock.js";

describe("the system's clock, finer", () => {
  /** A clock whose two sources stand where they are put. */
  function fixture() {
    const now = { wall: 1_800_000_000_000, steady: 50.25 };
    return {
      now,
      clock: systemClock(
        () => now.wall,
        () => now.steady,
      ),
    };
  }

  it("tells fractions of a millisecond while the system's stands still", () => {
    const { now, clock } = fixture();
    const started = clock();
    now.steady += 0.125;
    expect(clock() - started).to.equal(0.125);
  });

  for (const step of [-3_600_000, -5, 5, 3_600_000]) {
    it(`follows the system's when that is set by ${step} ms, and is fine again at once`, () => {
      const { now, clock } = fixture();
      now.wall += step;
      expect(clock()).to.equal(now.wall);
      now.steady += 0.5;
      expect(clock()).to.equal(now.wall + 0.5);
    });
  }

  it("is never further from the system's than 2 ms, however that drifts", () => {
    const { now, clock } = fixture();
    for (let step = 0; step < 10_000; step++) {
      now.steady += 1;
      now.wall += step % 3 === 0 ? 2 : 1;
      expect(Math.abs(clock() - now.wall)).to.be.at.most(2);
    }
  });

  it("is the real one where nothing else is given", () => {
    const clock = systemClock();
    // However long the process waits between these, it is told a time that is between the other two.
    const [before, told, after] = [Date.now(), clock(), Date.now()];
    expect(told).to.be.within(before - 2, after + 2);
  });
});
