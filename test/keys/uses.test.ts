import { expect } from "chai";
import fc from "fast-check";
import { Uses } from "../../src/keys/uses.js";
import { NOW } from "../support/clock.js";

const MINUTE = 60_000;
const START = NOW - (NOW % MINUTE);

describe("Uses", () => {
  it("counts nothing where nothing was", () => expect(new Uses().lastHour(NOW)).to.equal(0));

  it("counts this minute and the 59 before it", () => {
    const uses = new Uses();
    uses.note(START);
    uses.note(START + 59 * MINUTE);
    expect(uses.lastHour(START + 60 * MINUTE - 1)).to.equal(2);
    expect(uses.lastHour(START + 60 * MINUTE)).to.equal(1);
    expect(uses.lastHour(START + 119 * MINUTE)).to.equal(0);
  });

  it("forgets all where the clock is set back", () => {
    const uses = new Uses();
    uses.note(START);
    uses.note(START - 30 * MINUTE);
    expect(uses.lastHour(START - 30 * MINUTE)).to.equal(1);
  });

  it("counts as a list of all times would", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 * MINUTE }), { maxLength: 60 }), (steps) => {
        const uses = new Uses();
        const times: number[] = [];
        let now = START;
        for (const step of steps) {
          now += step;
          uses.note(now);
          times.push(now);
          const first = Math.floor(now / MINUTE) - 59;
          expect(uses.lastHour(now)).to.equal(times.filter((time) => Math.floor(time / MINUTE) >= first).length);
        }
      }),
    );
  });
});
