import { expect } from "chai";
import fc from "fast-check";
import { readObject, valueAt } from "../../src/jws/json.js";
import { claimNameProblem, memberPath, pointerTo } from "../../src/jws/json-pointer.js";
import { textAt } from "../../src/jws/raw-text.js";

const names = fc.oneof(
  fc.constantFrom(
    "",
    "/",
    "~",
    "~1",
    "~0",
    "a/b",
    "__proto__",
    "constructor",
    "realm_access",
    "https://example.com/roles",
  ),
  fc.string({ unit: "grapheme" }),
);
const paths = fc.array(names, { minLength: 1, maxLength: 5 });

describe("memberPath", () => {
  for (const [name, ...path] of [
    ["sub", "sub"],
    ["realm_access.roles", "realm_access.roles"],
    ["https://example.com/roles", "https://example.com/roles"],
    ["cognito:groups", "cognito:groups"],
    ["a/b", "a/b"],
    ["~1", "~1"],
    ["/realm_access/roles", "realm_access", "roles"],
    ["/kubernetes.io/serviceaccount/name", "kubernetes.io", "serviceaccount", "name"],
    ["/~1name", "/name"],
    ["/https:~1~1example.com~1roles", "https://example.com/roles"],
    ["/a~0b", "a~b"],
    ["/~01", "~1"],
    ["/", ""],
    ["//", "", ""],
    ["/__proto__", "__proto__"],
    ["/01", "01"],
    ["/178204173316174381", "178204173316174381"],
  ]) {
    it(`${name} leads through ${JSON.stringify(path)}`, () => {
      expect(claimNameProblem(name ?? "")).to.equal(undefined);
      expect(memberPath(name ?? "")).to.deep.equal(path);
    });
  }

  it("the pointer of a path leads through that path, whatever the names are", () => {
    fc.assert(
      fc.property(paths, (path) => {
        expect(memberPath(pointerTo(path))).to.deep.equal(path);
      }),
    );
  });

  it("a name that does not begin with / is one member as it is", () => {
    fc.assert(
      fc.property(
        names.filter((name) => !name.startsWith("/")),
        (name) => {
          expect(memberPath(name)).to.deep.equal([name]);
        },
      ),
    );
  });
});

describe("claimNameProblem", () => {
  for (const [name, problem] of [
    ["", /empty pointer/],
    ["/roles/0", /"0" is an element of a list.*\{includes/],
    ["/0", /"0" is an element/],
    ["/roles/131071/name", /"131071" is an element/],
    ["/roles/-", /"-" is an element/],
    ["/a~", /write ~0/],
    ["/a~2b", /write ~0/],
    ["/~", /write ~0/],
  ] as const) {
    it(`refuses ${JSON.stringify(name)}`, () => expect(claimNameProblem(name)).to.match(problem));
  }
});

describe("valueAt", () => {
  /** Reads JSON as a token's payload is read. */
  const read = (json: string) => readObject(Buffer.from(json))?.value ?? expect.fail(json);

  for (const [what, json, name, expected] of [
    ["a member", '{"a":1}', "a", 1],
    ["a nested member", '{"a":{"b":{"c":[1]}}}', "/a/b/c", [1]],
    ["null, which is there", '{"a":{"b":null}}', "/a/b", null],
    ["__proto__ as an ordinary member", '{"__proto__":{"__proto__":7}}', "/__proto__/__proto__", 7],
    ["nothing of a prototype", '{"a":{}}', "/a/constructor", undefined],
    ["nothing of a prototype at the top", "{}", "__proto__", undefined],
    ["nothing within a list", '{"a":[{"b":1}]}', "/a/b", undefined],
    ["nothing of a list's own properties", '{"a":[1,2]}', "/a/length", undefined],
    ["nothing within a text", '{"a":"text"}', "/a/length", undefined],
    ["nothing within null", '{"a":null}', "/a/b", undefined],
    ["nothing below a member that is absent", '{"b":{"c":1}}', "/a/c", undefined],
    ["nothing nested for a dotted name", '{"a":{"b":1}}', "a.b", undefined],
    ["a member whose name is empty", '{"":{"":1}}', "//", 1],
  ] as const) {
    it(`finds ${what}`, () => expect(valueAt(read(json), memberPath(name))).to.deep.equal(expected));
  }

  it("valueAt and textAt find the same in any object, by any path", () => {
    const { tree } = fc.letrec((tie) => ({
      tree: fc.dictionary(fc.constantFrom("a", "b", "__proto__", "~/"), tie("value"), { maxKeys: 4 }),
      value: fc.oneof({ depthSize: "small" }, fc.constantFrom(1, "x", null, true, [{ a: 1 }], ["a", "b"]), tie("tree")),
    }));
    fc.assert(
      fc.property(
        tree,
        fc.array(fc.constantFrom("a", "b", "__proto__", "~/"), { minLength: 1, maxLength: 4 }),
        (object, path) => {
          const json = JSON.stringify(object, null, 1);
          const value = valueAt(read(json), path);
          expect(textAt(json, path)).to.equal(value === undefined ? undefined : JSON.stringify(value));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
