import { expect } from "chai";
import { systemClock } from "../../src/util/clock.js";

describe("the system's clock with fractions of a millisecond", () => {
  /** Returns a clock and its two sources, which the test sets. */
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

  it("the clock advances by fractions of a millisecond while the system's clock stands still", () => {
    const { now, clock } = fixture();
    const started = clock();
    now.steady += 0.125;
    expect(clock() - started).to.equal(0.125);
  });

  for (const step of [-3_600_000, -5, 5, 3_600_000]) {
    it(`the clock follows a change of the system's clock by ${step} ms within a millisecond, and has fractions again at once`, () => {
      const { now, clock } = fixture();
      now.wall += step;
      now.steady += 1;
      expect(clock()).to.equal(now.wall);
      now.steady += 0.5;
      expect(clock()).to.equal(now.wall + 0.5);
    });
  }

  it("the clock is never more than 2 ms from the system's clock, however that drifts", () => {
    const { now, clock } = fixture();
    for (let step = 0; step < 10_000; step++) {
      now.steady += 1;
      now.wall += step % 3 === 0 ? 2 : 1;
      expect(Math.abs(clock() - now.wall)).to.be.at.most(2);
    }
  });

  it("the clock reads the system's clock at most once a millisecond", () => {
    let steady = 0;
    let looks = 0;
    const wall = (): number => {
      looks++;
      return steady;
    };
    const clock = systemClock(wall, () => steady);
    for (let step = 0; step < 1000; step++) {
      steady += 0.125;
      clock();
    }
    expect(looks).to.equal(1 + 125);
  });

  it("the clock uses the real clocks by default", () => {
    const clock = systemClock();
    // The time lies between the other two, however long the process pauses in between.
    const [before, told, after] = [Date.now(), clock(), Date.now()];
    expect(told).to.be.within(before - 2, after + 2);
  });
});
