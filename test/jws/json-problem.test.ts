import { expect } from "chai";
import fc from "fast-check";
import { readObject } from "../../src/jws/json.js";
import { jsonProblem, quoteName } from "../../src/jws/json-problem.js";

// Reasons why a strict reader refuses some bytes; test/http/rpc.test.ts asserts every sentence.

const twice = (name: string): string => `The member ${quoteName(name)} appears twice in one object.`;

describe("jsonProblem", () => {
  for (const [json, name] of [
    ['{"a":1,"a":2}', "a"],
    ['{"a":1,"\\u0061":2}', "a"],
    ['{"":1,"":2}', ""],
    ['{"x":[{"b":1},{"b":1,"c":{},"b":2}]}', "b"],
    ['{"a":{"a":{"a":1}},"b":["a","a",{"a":"\\"a\\":"}], "a" :1}', "a"],
    ['{"a":"b","b":"a","c\\"":1,"c\\u0022":2}', 'c"'],
    ['{"__proto__":1,"__proto__":2}', "__proto__"],
  ] as const) {
    it(`names the member that appears twice in ${json}`, () => {
      expect(readObject(Buffer.from(json))).to.equal(undefined);
      expect(jsonProblem(Buffer.from(json))).to.equal(twice(name));
    });
  }

  it("names a duplicate member of any object, at any level", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string(), { minLength: 1, maxLength: 5 }),
        fc.jsonValue({ maxDepth: 3 }),
        (way, value) => {
          const name = way.at(-1) ?? "";
          const double = `{"${"x".repeat(9)}":${JSON.stringify(value)},${JSON.stringify(name)}:0,${JSON.stringify(name)}:1}`;
          const json = way.reduce((inner, step) => `{${JSON.stringify(step)}:[${inner}]}`, double);
          expect(jsonProblem(Buffer.from(json))).to.equal(twice(name));
        },
      ),
    );
  });

  it("returns a sentence for all bytes that the reader refuses", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(Buffer.from)), (bytes) => {
        const buffer = Buffer.from(bytes);
        if (readObject(buffer) === undefined) expect(jsonProblem(buffer)).to.match(/^The (body|member) .*\.$/);
      }),
    );
  });
});
