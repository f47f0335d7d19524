import { expect } from "chai";
import { ClockSkew } from "../../src/verifier/realm.js";
import { secondsAhead } from "../../src/verifier/rules.js";
import { NOW } from "../support/clock.js";

const MINUTE = 60_000;

describe("ClockSkew", () => {
  it("the skew is the largest one seen", () => {
    const skew = new ClockSkew();
    expect(skew.ahead(NOW)).to.equal(0);
    for (const ahead of [3, 40, 0, -7]) skew.note(ahead, NOW);
    expect(skew.ahead(NOW)).to.equal(40);
  });

  it("the skew is kept for at least ten minutes and at most twenty", () => {
    const skew = new ClockSkew();
    skew.note(0, NOW);
    skew.note(40, NOW + 9 * MINUTE);
    expect(skew.ahead(NOW + 19 * MINUTE)).to.equal(40);
    skew.note(5, NOW + 19 * MINUTE);
    expect(skew.ahead(NOW + 29 * MINUTE - 1)).to.equal(40);
    expect(skew.ahead(NOW + 29 * MINUTE)).to.equal(5);
    expect(skew.ahead(NOW + 60 * MINUTE)).to.equal(0);
  });

  it("the skew starts again if our clock is set back", () => {
    const skew = new ClockSkew();
    skew.note(40, NOW);
    expect(skew.ahead(NOW - MINUTE)).to.equal(0);
  });
});

describe("secondsAhead", () => {
  for (const [claims, want] of [
    [{}, 0],
    [{ iat: 90 }, 0],
    [{ iat: 140 }, 40],
    [{ iat: 140, nbf: 150 }, 50],
    [{ iat: 90, nbf: 101.5 }, 1.5],
    [{ iat: "140", nbf: null }, 0],
    [{ iat: 1e300 }, 0],
  ] as const) {
    it(`${JSON.stringify(claims)} is ${want} seconds ahead at second 100`, () =>
      expect(secondsAhead(claims, 100)).to.equal(want));
  }
});
