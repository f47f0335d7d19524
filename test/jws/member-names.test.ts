import { expect } from "chai";
import fc from "fast-check";
import { readJson, readObject } from "../../src/jws/json.js";
import { addToHash, MemberNames } from "../../src/jws/member-names.js";

const hashOf = (name: string): number => Buffer.from(name, "latin1").reduce(addToHash, 0);

/** Reads a name in the midst of other bytes, as the scanner does. */
function get(names: MemberNames, name: string, hash = hashOf(name)): string {
  const bytes = Buffer.from(`"${name}":`, "latin1");
  return names.get(bytes, 1, 1 + name.length, hash);
}

const ascii = fc.string({ unit: "binary-ascii", maxLength: 40 });

/** Names that prototypes have, that are indices of arrays, or that look like members of other objects. */
const AWKWARD = ["__proto__", "constructor", "toString", "length", "0", "1", "499", "4294967294", "-1", "1e3", " ", ""];

describe("MemberNames", () => {
  it("returns the name that the bytes spell, whatever came before", () => {
    const names = new MemberNames();
    fc.assert(
      fc.property(fc.array(fc.oneof(ascii, fc.constantFrom(...AWKWARD))), (list) => {
        for (const name of [...list, ...list]) expect(get(names, name)).to.equal(name);
      }),
      { numRuns: 1_000 },
    );
  });

  it("tells names apart whose hashes are equal", () => {
    const names = new MemberNames();
    expect(hashOf("Aa")).to.equal(hashOf("BB"));
    const alike = ["AaAa", "BBBB", "AaBB", "BBAa", "AaAaAa", "BBBBBB"];
    for (const name of [...alike, ...alike]) expect(get(names, name)).to.equal(name);
    fc.assert(
      fc.property(fc.array(ascii), fc.integer(), (list, hash) => {
        for (const name of [...list, ...list]) expect(get(names, name, hash)).to.equal(name);
      }),
    );
  });

  it("tells names apart that begin or end alike", () => {
    const names = new MemberNames();
    const stem = "a".repeat(40);
    const alike = Array.from({ length: 41 }, (_, length) => stem.slice(0, length)).flatMap((a) => [
      a,
      `${a}b`,
      `b${a}`,
    ]);
    for (const name of [...alike, ...alike]) expect(get(names, name, 7)).to.equal(name);
  });

  it("returns names right after a flood of 100,000 others", () => {
    const names = new MemberNames();
    for (let n = 0; n < 100_000; n++) get(names, `flood-${n}`);
    for (const name of [...AWKWARD, "iss", "sub", "flood-0"]) expect(get(names, name)).to.equal(name);
  });
});

describe("objects of many kinds of names", () => {
  const objectOf = (names: readonly string[]): string =>
    `{${names.map((name, n) => `${JSON.stringify(name)}:${n}`).join()}}`;

  it("members are read right after an object with 100,000 names", () => {
    const flood = Array.from({ length: 100_000 }, (_, n) => `flood-${n}`);
    expect(Object.keys(readJson(Buffer.from(objectOf(flood))) as object)).to.have.length(100_000);
    const value = readObject(Buffer.from('{"iss":"x","exp":1,"flood-7":2}'))?.value;
    expect(value).to.deep.equal({ iss: "x", exp: 1, "flood-7": 2 });
  });

  for (const count of [1, 3, 4, 5, 15, 16, 17, 19, 20, 30, 31, 40, 127, 128, 129, 1_100]) {
    it(`an object of ${count} members keeps their order, has the prototype of all objects, and admits none twice`, () => {
      const names = Array.from({ length: count }, (_, n) => `member-${n}`);
      const document = readObject(Buffer.from(objectOf(names)));
      expect(Object.keys(document?.value ?? {})).to.deep.equal(names);
      expect(Object.values(document?.value ?? {})).to.deep.equal(names.map((_, n) => n));
      expect(Object.getPrototypeOf(document?.value)).to.equal(Object.prototype);
      expect(readJson(Buffer.from(objectOf(names)))).to.deep.equal(document?.value);
      for (const again of [0, Math.floor(count / 2), count - 1]) {
        expect(readObject(Buffer.from(objectOf([...names, names[again] as string]))), `${again}`).to.equal(undefined);
        const escaped = objectOf([...names, "?"]).replace('"?"', `"\\u006d${names[again]?.slice(1)}"`);
        expect(readObject(Buffer.from(escaped)), `${again} escaped`).to.equal(undefined);
      }
    });
  }

  it("an object has the members of its text and no others, as one that an object literal makes", () => {
    expect(Object.getOwnPropertyNames(readObject(Buffer.from("{}"))?.value)).to.deep.equal([]);
    expect(readObject(Buffer.from("{}"))?.value).to.not.have.any.keys("a", "m0");
    const value = readObject(Buffer.from('{"h":1}'))?.value;
    expect(Object.getOwnPropertyDescriptors(value)).to.deep.equal(Object.getOwnPropertyDescriptors({ h: 1 }));
  });
});
