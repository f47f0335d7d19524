import { expect } from "chai";
import fc from "fast-check";
import { isSameNumber } from "../../src/jws/number-text.js";

/** A number as digits and a power of ten, written in many ways. */
const number = fc.record({
  digits: fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }),
  power: fc.integer({ min: -30, max: 30 }),
});
interface Parts {
  readonly digits: bigint;
  readonly power: number;
}

/** One way to write it: so many zeros more behind the digits, and a point before so many of them. */
function written({ digits, power }: Parts, zeros: number, decimals: number, letter: string): string {
  const sign = digits < 0n ? "-" : "";
  const all = `${digits < 0n ? -digits : digits}${"0".repeat(zeros)}`.padStart(decimals + 1, "0");
  const whole = all.slice(0, all.length - decimals);
  const fraction = decimals === 0 ? "" : `.${all.slice(-decimals)}`;
  return `${sign}${whole}${fraction}${letter}${power - zeros + decimals}`;
}

/** The truth: both as integers over the least power of ten. */
function areEqual(a: Parts, b: Parts): boolean {
  const least = Math.min(a.power, b.power);
  return a.digits * 10n ** BigInt(a.power - least) === b.digits * 10n ** BigInt(b.power - least);
}

describe("numbers in JSON texts", () => {
  it("are the same in whatever way they are written", () => {
    const way = fc.record({ zeros: fc.nat(5), decimals: fc.nat(30), letter: fc.constantFrom("e", "E") });
    fc.assert(
      fc.property(number, way, way, (parts, one, other) =>
        isSameNumber(
          written(parts, one.zeros, one.decimals, one.letter),
          written(parts, other.zeros, other.decimals, other.letter),
        ),
      ),
    );
  });

  it("are the same only where they are equal, to the last digit", () => {
    const near = fc.tuple(number, fc.integer({ min: -1, max: 1 }), fc.nat(3));
    fc.assert(
      fc.property(near, ([parts, more, power]) => {
        const other = { digits: parts.digits * 10n ** BigInt(power) + BigInt(more), power: parts.power - power };
        return isSameNumber(written(parts, 0, 0, "e"), written(other, 0, 0, "e")) === areEqual(parts, other);
      }),
    );
  });

  for (const [a, b, same] of [
    ["1", "1.0", true],
    ["0", "-0.00e7", true],
    ["100", "1e2", true],
    ["1E+2", "100.0", true],
    ["9007199254740993", "9007199254740992", false],
    ["0.1", "0.1000000000000000055", false],
    ["1e400", "1e401", false],
    ["1", "-1", false],
    ["", "", true],
    ["x", "y", false],
    ["", "0", false],
  ] as const) {
    it(`${a || "nothing"} and ${b || "nothing"}: ${same ? "the same" : "different"}`, () => {
      expect(isSameNumber(a, b)).to.equal(same);
    });
  }
});
