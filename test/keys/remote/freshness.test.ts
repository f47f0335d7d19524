import { expect } from "chai";
import fc from "fast-check";
import { lifetimeOf } from "../../../src/keys/remote/answer.js";
import { pauseAfter } from "../../../src/keys/remote/remote-keys.js";

const DATE = "Fri, 15 Jan 2027 08:00:00 GMT";

/** The lifetimes (RFC 9111) of answers, by their headers. */
const ROWS: readonly (readonly [headers: Readonly<Record<string, string>>, seconds: number | undefined])[] = [
  [{}, undefined],
  [{ "cache-control": "public" }, undefined],
  [{ "cache-control": "max-age=300" }, 300],
  [{ "cache-control": "public, max-age=300, must-revalidate" }, 300],
  [{ "cache-control": " MAX-AGE = 300 " }, 300],
  [{ "cache-control": 'max-age="300"' }, 300],
  [{ "cache-control": "max-age=300, max-age=900" }, 300],
  [{ "cache-control": "max-age=300", age: "100" }, 200],
  [{ "cache-control": "max-age=300", age: "400" }, 0],
  [{ "cache-control": "max-age=300", age: "soon" }, 300],
  [{ "cache-control": "max-age=0" }, 0],
  [{ "cache-control": "max-age=-1" }, 0],
  [{ "cache-control": "max-age=1.5" }, 0],
  [{ "cache-control": "max-age" }, 0],
  [{ "cache-control": `max-age=${"9".repeat(400)}` }, 2 ** 31],
  [{ "cache-control": "s-maxage=900" }, undefined],
  [{ "cache-control": "s-maxage=900, max-age=60" }, 60],
  [{ "cache-control": "no-store, max-age=300" }, 0],
  [{ "cache-control": "No-Cache" }, 0],
  [{ "cache-control": "max-age=60", date: DATE, expires: "Fri, 15 Jan 2027 09:00:00 GMT" }, 60],
  [{ date: DATE, expires: "Fri, 15 Jan 2027 09:00:00 GMT" }, 3600],
  [{ date: DATE, expires: "Fri, 15 Jan 2027 07:00:00 GMT" }, 0],
  [{ date: DATE, expires: "0" }, 0],
  [{ date: DATE, expires: "never" }, 0],
  [{ expires: "Fri, 15 Jan 2027 09:00:00 GMT" }, 0],
];

describe("lifetimeOf", () => {
  for (const [headers, seconds] of ROWS) {
    const shown = JSON.stringify(headers).slice(0, 100);
    it(`the lifetime of ${shown} is ${seconds ?? "unknown"}`, () =>
      expect(lifetimeOf(new Headers(headers))).to.equal(seconds));
  }

  it("a lifetime is undefined or a number of at least 0, whatever the headers say", () => {
    const word = fc.constantFrom("max-age", "no-store", "=", ",", '"', " ", "1", "60", "-", "x", ";");
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const seconds = lifetimeOf(new Headers({ "cache-control": words.join("") }));
        expect(seconds === undefined || seconds >= 0).to.equal(true);
      }),
    );
  });
});

describe("pauseAfter", () => {
  it("the pause after a failure doubles from one second up to the maximum", () => {
    const pauses = [1, 2, 3, 4, 5, 12, 13, 100, 1e6].map((failures) => pauseAfter(failures, 3_600_000, 0));
    expect(pauses).to.deep.equal([1000, 2000, 4000, 8000, 16_000, 2_048_000, 3_600_000, 3_600_000, 3_600_000]);
  });

  it("the pause after a failure is at most the maximum and at least half of its unjittered length", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1000, max: 86_400_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failures, longest, random) => {
          const [pause, full] = [pauseAfter(failures, longest, random), pauseAfter(failures, longest, 0)];
          expect(full).to.be.at.most(longest);
          expect(pause).to.be.within(full / 2, full);
        },
      ),
    );
  });
});
