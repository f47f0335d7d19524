import { expect } from "chai";
import * as fc from "fast-check";
import { memberText } from "../../src/jws/member-text.js";
import { anyTree, COMPACT, type Tree, whimsical, write } from "./json-tree.js";

const CASES: [what: string, json: string, name: string, expected: string | undefined][] = [
  ["a string", '{"a":"x"}', "a", '"x"'],
  ["an integer that a double cannot hold", '{"a":12345678901234567890}', "a", "12345678901234567890"],
  ["a fraction of nothing", '{"a":1.0}', "a", "1.0"],
  ["an exponent", '{"a":1E+02}', "a", "1E+02"],
  ["minus zero", '{"a":-0}', "a", "-0"],
  ["true", '{"a":true}', "a", "true"],
  ["null", '{"a": null }', "a", "null"],
  ["the last of several", '{"b":[1,{"a":2}],"c":"a","a":3}', "a", "3"],
  ["a list", '{"a":[ 1 , "b" ,\n[ ] , { } ]}', "a", '[1,"b",[],{}]'],
  [
    "an object, its members in their order",
    '{"a": { "b" : 1 , "2" : 1.50, "1" : [ ] } }',
    "a",
    '{"b":1,"2":1.50,"1":[]}',
  ],
  ["white space within strings", '{"a":[" x \\t y "]}', "a", '[" x \\t y "]'],
  ["escapes that need not be", '{"a":"\\u0061\\/\\u00e9\\u007f"}', "a", '"a/é\u007f"'],
  ["escapes that must be", '{"a":"\\"\\\\\\u0000\\u001F\\n"}', "a", '"\\"\\\\\\u0000\\u001f\\n"'],
  ["a pair of surrogates", '{"a":"\\ud83d\\ude00"}', "a", '"😀"'],
  ["escaped names within", '{"a":{"\\u0062":0}}', "a", '{"b":0}'],
  ["a member whose name is escaped", '{"\\u0061":7}', "a", "7"],
  ["a name with a quote", '{"\\"":1,"b":2}', '"', "1"],
  ["brackets in strings", '{"x":"}],{","a":"]}"}', "a", '"]}"'],
  ["backslashes at the end of strings", '{"x":"\\\\","a":"\\\\\\\\"}', "a", '"\\\\\\\\"'],
  ["__proto__", '{"__proto__":{"a":1}}', "__proto__", '{"a":1}'],
  ["none: only deeper", '{"b":{"a":1}}', "a", undefined],
  ["none: only as a value", '{"b":"a"}', "a", undefined],
  ["none: an empty object", " { } ", "a", undefined],
  ["none: on the prototype", "{}", "constructor", undefined],
];

describe("memberText", () => {
  for (const [what, json, name, expected] of CASES) {
    it(`writes ${what}`, () => expect(memberText(json, name)).to.equal(expected));
  }

  const object = fc
    .uniqueArray(fc.tuple(fc.string({ unit: "binary" }), anyTree), { selector: ([name]) => name, maxLength: 5 })
    .map((members) => ({ kind: "object", members }) as const);

  it("writes each member as the compact form of its own spelling, however the text is spaced and escaped", () => {
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

  it("says what JSON.stringify says, for values that JSON.stringify made", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const json = JSON.stringify(value, null, 2);
        for (const [name, one] of Object.entries(value)) {
          expect(memberText(json, name)).to.equal(JSON.stringify(JSON.parse(JSON.stringify(one))));
        }
      }),
    );
  });
});
