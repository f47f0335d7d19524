import { runInNewContext } from "node:vm";
import { expect } from "chai";
import * as fc from "fast-check";
import { isObject, MAX_DEPTH, MAX_ITEMS, member, readJson, readObject } from "../../src/jws/json.js";
import { anyObject, anyTree, COMPACT, hasDouble, treeOf, treeValue, whimsical, write } from "./json-tree.js";
import { hasDuplicate, some } from "./oracle.js";

const read = (text: string | Buffer) => readObject(Buffer.from(text as string));

/** Returns the text of an object with this many levels, counting itself. */
const nested = (levels: number, open: string, inner: string, close: string): string =>
  `{"a":${open.repeat(levels - 1)}${inner}${close.repeat(levels - 1)}}`;

/** Pieces of JSON texts, and some that are not valid. */
const NOISE = ["{", "}", "[", "]", ":", ",", '"', "\\", "\\u", "d800", "a", "1", "e9", "-", ".0", " ", "é", "\0"];

const TAKEN: Record<string, string> = {
  "an empty object": "{}",
  "white space around and within": ' \n\r\t{ "a" : [ 1 , 2 ] } \n',
  "all kinds of values": '{"a":null,"b":true,"c":false,"d":-1.5e+3,"e":"x","f":[],"g":{}}',
  "colons, commas and braces in strings": '{"a:b":"c:d,{[:","\\"":"\\\\\\":","e":"\\\\"}',
  "one name at different levels": '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}',
  "names that prototypes have": '{"__proto__":{"x":1},"constructor":1,"toString":2,"hasOwnProperty":3}',
  "the empty name": '{"":1}',
  "a pair of surrogates by escapes": '{"\\ud83d\\ude00":"\\uD83D\\uDE00"}',
  "characters of four bytes": '{"😀":"😀"}',
  "names that differ in their normal form alone": '{"\\u00e9":1,"e\\u0301":2}',
  "an integer that a double cannot hold": '{"a":12345678901234567890}',
  "a number too small for a double": '{"a":1e-999}',
  "U+FEFF in a string": '{"a":"\ufeff"}',
  "the deepest objects": nested(MAX_DEPTH, '{"a":', "1", "}"),
  "the deepest arrays": nested(MAX_DEPTH, "[", "1", "]"),
  "the most elements": `{"a":[${Array(MAX_ITEMS - 1)
    .fill(0)
    .join()}]}`,
  "the most members": `{${Array.from({ length: MAX_ITEMS }, (_, n) => `"${n}":0`).join()}}`,
};

const REFUSED: Record<string, string | Buffer> = {
  "no bytes": "",
  "white space alone": "  ",
  "an array": "[]",
  "an array of objects": '[{"a":1}]',
  "a string": '"{}"',
  "a number": "1",
  null: "null",
  true: "true",
  "an object cut short": '{"a":1',
  "an object in an object cut short": '{"a":{"b":1}',
  "a string cut short": '{"a":"b',
  "a string cut short in an escape": '{"a":"b\\',
  "two objects": "{}{}",
  "something behind": "{} x",
  "a NUL behind": "{}\0",
  "a comma behind": '{"a":1,}',
  "no comma": '{"a":1 "b":2}',
  "a comment": '{"a":1/* */}',
  "single quotes": "{'a':1}",
  "a name without quotes": "{a:1}",
  "a control character in a string": '{"a":"\n"}',
  "an unknown escape": '{"a":"\\x41"}',
  "a closing bracket too many": '{"a":1}]',
  "brackets that cross": '{"a":[1}]',
  "a byte order mark": "\ufeff{}",
  "white space of another kind": "\u00a0{}",
  "UTF-16": Buffer.from('{"a":1}', "utf16le"),
  "a byte that is no UTF-8": Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
  "an overlong form": Buffer.from([0x7b, 0x22, 0xc1, 0xa1, 0x22, 0x3a, 0x31, 0x7d]),
  "a surrogate in UTF-8": Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]),
  "a character cut short": Buffer.from([0x7b, 0x22, 0xf0, 0x9f, 0x22, 0x3a, 0x31, 0x7d]),
  "a high surrogate alone in a value": '{"a":"\\ud800"}',
  "a low surrogate alone in a value": '{"a":"\\udfff"}',
  "surrogates in the wrong order": '{"a":"\\ude00\\ud83d"}',
  "a surrogate alone in a name": '{"\\uD800":1}',
  "a surrogate alone, deep": '{"a":[{"b":["\\ud800x"]}]}',
  "a member twice": '{"a":1,"a":1}',
  "a member twice, far apart": '{"a":1,"b":{"c":[]},"a":2}',
  "a member twice, one escaped": '{"a":1,"\\u0061":1}',
  "a member twice, escapes in two cases": '{"\\u004A":1,"\\u004a":1}',
  "a member twice, a solidus escaped": '{"/":1,"\\/":1}',
  "a member twice, deep": '{"x":{"y":{"a":1,"a":2}}}',
  "a member twice, in an array": '{"x":[0,[{"a":1,"a":2}]]}',
  "a member twice, the empty name": '{"":1,"":2}',
  "__proto__ twice": '{"__proto__":1,"__proto__":2}',
  "__proto__ twice, one escaped": '{"__proto__":{},"\\u005f_proto__":{}}',
  "an integer name twice": '{"1":1,"1":2}',
  "a double hidden behind a colon in a string": '{"a":":","a":"::"}',
  "an object that is lost under a double": '{"a":{"b":1,"c":2},"a":3}',
  NaN: '{"a":NaN}',
  Infinity: '{"a":Infinity}',
  "a number too large for a double": '{"a":1e999}',
  "a negative number too large for a double": '{"a":[-1e999]}',
  "a hexadecimal number": '{"a":0x10}',
  "a leading zero": '{"a":01}',
  "a leading plus": '{"a":+1}',
  "an object one level too deep": nested(MAX_DEPTH + 1, '{"a":', "1", "}"),
  "an array one level too deep": nested(MAX_DEPTH + 1, "[", "1", "]"),
  "20,000 levels of arrays": nested(20_000, "[", "", "]"),
  "20,000 levels of objects": nested(20_000, '{"a":', "1", "}"),
  "20,000 levels that never end": '{"a":'.repeat(20_000),
  "one element too many": `{"a":[${Array(MAX_ITEMS).fill(0).join()}]}`,
  "one member too many": `{${Array.from({ length: MAX_ITEMS + 1 }, (_, n) => `"${n}":0`).join()}}`,
  "100,000 members": `{${Array.from({ length: 100_000 }, (_, n) => `"${n}":0`).join()}}`,
  "100,000 members of one name": `{${Array(100_000).fill('"a":0').join()}}`,
  "many, spread over levels": `{${Array.from({ length: 700 }, (_, n) => `"${n}":[0,{}]`).join()}}`,
};

describe("readObject", () => {
  for (const [name, text] of Object.entries(TAKEN)) {
    it(`readObject reads ${name}`, () => {
      const document = read(text);
      expect(document?.text).to.equal(text);
      expect(document?.value).to.deep.equal(JSON.parse(text));
    });
  }

  for (const [name, text] of Object.entries(REFUSED)) {
    it(`readObject refuses ${name}`, () => expect(read(text)).to.equal(undefined));
  }

  it("reads every object without duplicate members, and refuses every object with one", () => {
    let doubles = 0;
    fc.assert(
      fc.property(anyObject, fc.infiniteStream(fc.boolean()), (tree, whims) => {
        const text = write(
          tree,
          whimsical(() => whims.next().value as boolean),
        );
        const document = read(text);
        if (hasDouble(tree)) {
          doubles++;
          expect(document).to.equal(undefined);
        } else {
          expect(document).to.deep.equal({ text, value: treeValue(tree) });
        }
      }),
      { numRuns: 2_000 },
    );
    expect(doubles).to.be.above(100);
  });

  it("refuses an object in which any one member is repeated under another spelling", () => {
    const names = fc.uniqueArray(fc.string({ unit: "binary", minLength: 1 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(names, fc.nat(), fc.nat(), anyTree, (list, which, where, value) => {
        const members = list.map((name) => `${JSON.stringify(name)}:0`);
        const again = list[which % list.length] as string;
        const escaped = again.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
        expect(read(`{${members.join()}}`)).to.not.equal(undefined);
        members.splice(where % (members.length + 1), 0, `"${escaped.join("")}":${write(value, COMPACT)}`);
        expect(read(`{${members.join()}}`)).to.equal(undefined);
      }),
    );
  });

  it("reads only what JSON.parse reads, with the same value", () => {
    const noise = fc.constantFrom(...NOISE);
    fc.assert(
      fc.property(fc.array(noise, { maxLength: 12 }), (parts) => {
        const text = `{"a":${parts.join("")}}`;
        const document = read(text);
        if (document !== undefined) expect(document.value).to.deep.equal(JSON.parse(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it("readObject reads every value and name, however it is escaped and spaced", () => {
    const name = fc.string({ unit: "binary" });
    const value = fc.jsonValue({ stringUnit: "binary", depthSize: "small" });
    fc.assert(
      fc.property(fc.dictionary(name, value), fc.infiniteStream(fc.boolean()), (object, whims) => {
        const style = whimsical(() => whims.next().value as boolean);
        const text = write(treeOf(object), style);
        const read = readObject(Buffer.from(text));
        expect(read?.text).to.equal(text);
        expect(JSON.stringify(read?.value)).to.equal(JSON.stringify(object));
        expect(read?.value).to.deep.equal(treeValue(treeOf(object)));
      }),
      { numRuns: 1_000 },
    );
  });

  it("reads every number exactly as Number does", () => {
    const digits = fc.string({
      unit: fc.constantFrom(...Array.from({ length: 10 }, (_, digit) => String(digit))),
      minLength: 1,
      maxLength: 25,
    });
    const number = fc
      .tuple(fc.constantFrom("", "-"), digits, fc.option(digits), fc.option(fc.integer({ min: -400, max: 280 })))
      .map(([sign, whole, fraction, exponent]) => {
        const integer = whole.replace(/^0+(?=\d)/, "");
        return `${sign}${integer}${fraction === null ? "" : `.${fraction}`}${exponent === null ? "" : `e${exponent}`}`;
      });
    fc.assert(
      fc.property(number, (text) => {
        expect(read(`{"a":[${text}]}`)?.value).to.deep.equal({ a: [Number(text)] });
      }),
      { numRuns: 2_000 },
    );
  });

  it("readObject never throws, whatever the bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void readObject(Buffer.from(bytes))));
  });
});

describe("readJson", () => {
  for (const text of [
    "null",
    "true",
    '"a\\u0062"',
    " -0 ",
    "1e999",
    "[1,[2,{}],[]]",
    '"\\ud800"',
    '{"a":1,"b":2,"\\u0061":{"c":3}}',
    '{"__proto__":1,"__proto__":{"x":2}}',
    '{"2":1,"1":2,"2":3}',
    `[${Array(3_000).fill("[]").join()}]`,
  ]) {
    it(`readJson reads ${text.slice(0, 40)} as JSON.parse does`, () => {
      expect(readJson(Buffer.from(text))).to.deep.equal(JSON.parse(text));
    });
  }

  it("readJson keeps the place of the first duplicate member and the value of the last", () => {
    const value = readJson(Buffer.from('{"b":1,"a":2,"b":3}'));
    expect(JSON.stringify(value)).to.equal('{"b":3,"a":2}');
  });

  it("readJson reads 200,000 levels without recursion", () => {
    let value = readJson(Buffer.from("[".repeat(200_000) + "]".repeat(200_000)));
    let levels = 0;
    for (; Array.isArray(value); levels++) value = value[0];
    expect(levels).to.equal(200_000);
  });

  it("readJson refuses more levels than it is given, and does not read further", () => {
    const nested = (levels: number): Buffer => Buffer.from(`{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`);
    expect(readJson(nested(1000), 1000)).to.not.equal(undefined);
    expect(readJson(nested(1001), 1000)).to.equal(undefined);
  });

  for (const [what, bytes] of [
    ["a byte order mark", Buffer.from("\ufeff{}")],
    ["bytes that are not UTF-8", Buffer.from([0x22, 0xff, 0x22])],
    ["nothing", Buffer.alloc(0)],
  ] as const) {
    it(`readJson refuses ${what}`, () => expect(readJson(bytes)).to.equal(undefined));
  }

  it("readJson accepts the mutated texts that a fresh JSON.parse accepts, and readObject the strict ones", () => {
    // A separate context has a parser that no text has poisoned; texts that would poison it are skipped.
    const parse = runInNewContext("JSON.parse") as (text: string) => unknown;
    const spot = fc.record({ at: fc.nat(), skip: fc.nat(2), put: fc.constantFrom("", ...NOISE) });
    let [accepted, refused, strict] = [0, 0, 0];
    fc.assert(
      fc.property(
        anyObject,
        fc.infiniteStream(fc.boolean()),
        fc.array(spot, { maxLength: 2 }),
        (tree, whims, spots) => {
          let text = write(
            tree,
            whimsical(() => whims.next().value as boolean),
          );
          for (const { at, skip, put } of spots) {
            const place = at % (text.length + 1);
            text = text.slice(0, place) + put + text.slice(place + skip);
          }
          // A buffer cannot hold lone surrogates, so the oracle must read the same bytes as the reader.
          text = Buffer.from(text).toString();
          if (/(\\\\|\\u005c)"/i.test(text)) return;
          let expected: unknown;
          try {
            expected = parse(text);
          } catch {
            expected = undefined;
          }
          const value = readJson(Buffer.from(text));
          expect(JSON.stringify(value), text).to.equal(JSON.stringify(expected));
          expect(value === undefined, text).to.equal(expected === undefined);
          const isStrict =
            isObject(expected) &&
            !hasDuplicate(text) &&
            !some(expected, (one) => one === Infinity || one === -Infinity) &&
            !some(expected, (one) => typeof one === "string" && /\p{Surrogate}/u.test(one));
          expect(readObject(Buffer.from(text)) !== undefined, text).to.equal(isStrict);
          if (isStrict) strict++;
          else if (expected === undefined) refused++;
          else accepted++;
        },
      ),
      { numRuns: 5_000 },
    );
    expect(Math.min(accepted, refused, strict), `${accepted}, ${refused}, ${strict}`).to.be.above(100);
  });
});

describe("member", () => {
  it("member finds the object's own members", () => {
    const value = read('{"a":1,"__proto__":2,"constructor":null}')?.value ?? {};
    expect(member(value, "a")).to.equal(1);
    expect(member(value, "__proto__")).to.equal(2);
    expect(member(value, "constructor")).to.equal(null);
  });

  for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty", "a"]) {
    it(`finds no ${name} in an object without one`, () => expect(member({}, name)).to.equal(undefined));
  }

  it("member does not find members of an object under __proto__", () => {
    expect(member(read('{"__proto__":{"admin":true}}')?.value ?? {}, "admin")).to.equal(undefined);
  });
});
