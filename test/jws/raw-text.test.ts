import { expect } from "chai";
import * as fc from "fast-check";
import { isSameNumber, memberText } from "../../src/jws/raw-text.js";
import { anyTree, COMPACT, type Tree, whimsical, write } from "./json-tree.js";

const CASES: [what: string, json: string, name: string, expected: string | undefined][] = [
  ["a string", '{"a":"x"}', "a", '"x"'],
  ["an integer that a double cannot hold", '{"a":12345678901234567890}', "a", "12345678901234567890"],
  ["a zero fraction", '{"a":1.0}', "a", "1.0"],
  ["an exponent", '{"a":1E+02}', "a", "1E+02"],
  ["minus zero", '{"a":-0}', "a", "-0"],
  ["true", '{"a":true}', "a", "true"],
  ["null", '{"a": null }', "a", "null"],
  ["the last member of several", '{"b":[1,{"a":2}],"c":"a","a":3}', "a", "3"],
  ["a list", '{"a":[ 1 , "b" ,\n[ ] , { } ]}', "a", '[1,"b",[],{}]'],
  [
    "an object, its members in their order",
    '{"a": { "b" : 1 , "2" : 1.50, "1" : [ ] } }',
    "a",
    '{"b":1,"2":1.50,"1":[]}',
  ],
  ["white space within strings", '{"a":[" x \\t y "]}', "a", '[" x \\t y "]'],
  ["unneeded escapes", '{"a":"\\u0061\\/\\u00e9\\u007f"}', "a", '"a/é\u007f"'],
  ["needed escapes", '{"a":"\\"\\\\\\u0000\\u001F\\n"}', "a", '"\\"\\\\\\u0000\\u001f\\n"'],
  ["a pair of surrogates", '{"a":"\\ud83d\\ude00"}', "a", '"😀"'],
  ["escaped names within", '{"a":{"\\u0062":0}}', "a", '{"b":0}'],
  ["a member whose name is escaped", '{"\\u0061":7}', "a", "7"],
  ["a name with a quote", '{"\\"":1,"b":2}', '"', "1"],
  ["brackets in strings", '{"x":"}],{","a":"]}"}', "a", '"]}"'],
  ["backslashes at the end of strings", '{"x":"\\\\","a":"\\\\\\\\"}', "a", '"\\\\\\\\"'],
  ["__proto__", '{"__proto__":{"a":1}}', "__proto__", '{"a":1}'],
  ["nothing for a name that is only nested deeper", '{"b":{"a":1}}', "a", undefined],
  ["nothing for a name that is only a value", '{"b":"a"}', "a", undefined],
  ["nothing for an empty object", " { } ", "a", undefined],
  ["nothing for a member of the prototype", "{}", "constructor", undefined],
];

describe("memberText", () => {
  for (const [what, json, name, expected] of CASES) {
    it(`writes ${what}`, () => expect(memberText(json, name)).to.equal(expected));
  }

  const object = fc
    .uniqueArray(fc.tuple(fc.string({ unit: "binary" }), anyTree), { selector: ([name]) => name, maxLength: 5 })
    .map((members) => ({ kind: "object", members }) as const);

  it("writes each member in compact form with its own spelling, however the text is spaced and escaped", () => {
    fc.assert(
      fc.property(object, fc.infiniteStream(fc.boolean()), (tree, whims) => {
        const json = write(
          tree,
          whimsical(() => whims.next().value as boolean),
        );
        for (const [name, value] of tree.members as readonly (readonly [string, Tree])[]) {
          expect(memberText(json, name)).to.equal(write(value, COMPACT));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("returns the text of JSON.stringify for values that JSON.stringify wrote", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const json = JSON.stringify(value, null, 2);
        for (const [name, one] of Object.entries(value)) {
          expect(memberText(json, name)).to.equal(JSON.stringify(one));
        }
      }),
    );
  });
});

/** A number as digits and a power of ten, which can be written in many ways. */
const number = fc.record({
  digits: fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }),
  power: fc.integer({ min: -30, max: 30 }),
});
interface Parts {
  readonly digits: bigint;
  readonly power: number;
}

/** Writes it with additional zeros after the digits and a point before the last of them. */
function written({ digits, power }: Parts, zeros: number, decimals: number, letter: string): string {
  const sign = digits < 0n ? "-" : "";
  const all = `${digits < 0n ? -digits : digits}${"0".repeat(zeros)}`.padStart(decimals + 1, "0");
  const whole = all.slice(0, all.length - decimals);
  const fraction = decimals === 0 ? "" : `.${all.slice(-decimals)}`;
  return `${sign}${whole}${fraction}${letter}${power - zeros + decimals}`;
}

/** Compares two exactly, as integers over the lower power of ten. */
function areEqual(a: Parts, b: Parts): boolean {
  const least = Math.min(a.power, b.power);
  return a.digits * 10n ** BigInt(a.power - least) === b.digits * 10n ** BigInt(b.power - least);
}

describe("numbers in JSON texts", () => {
  it("numbers in JSON texts are the same however they are written", () => {
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

  it("numbers in JSON texts are the same only if they are equal to the last digit", () => {
    const near = fc.tuple(number, fc.integer({ min: -1, max: 1 }), fc.nat(3));
    fc.assert(
      fc.property(near, ([parts, more, power]) => {
        const other = { digits: parts.digits * 10n ** BigInt(power) + BigInt(more), power: parts.power - power };
        return isSameNumber(written(parts, 0, 0, "e"), written(other, 0, 0, "e")) === areEqual(parts, other);
      }),
    );
  });

  it("numbers in JSON texts are compared in time linear in their digits, even with many zeros", () => {
    const start = process.cpuUsage();
    expect(isSameNumber(`1.${"0".repeat(30_000)}1`, "1")).to.equal(false);
    expect(process.cpuUsage(start).user).to.be.below(100_000); // µs; quadratic time takes a second
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
