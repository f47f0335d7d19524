import { expect } from "chai";
import fc from "fast-check";
import { genericSchema } from "../../src/config/realm-forms.js";
import { readObject } from "../../src/jws/json.js";
import { pointerTo } from "../../src/jws/json-pointer.js";
import { type ClaimValue, type Condition, conditionOn } from "../../src/verifier/conditions.js";
import { genericPolicy } from "../../src/verifier/generic.js";
import type { Rule, RuleContext } from "../../src/verifier/realm.js";

const contextOf = (payload: string): RuleContext => ({
  seconds: 0,
  header: {},
  payload,
  caller: { kind: "anyone" },
});

/** The reason for which rules reject a payload; undefined for none. */
function rejection(rules: readonly Rule[], payload: string): string | undefined {
  const claims = readObject(Buffer.from(payload))?.value ?? expect.fail(payload.slice(0, 200));
  return rules.find(({ test }) => !test(claims, contextOf(payload)))?.reason;
}

const SETTINGS = genericSchema.parse({
  algorithms: ["ES256"],
  issuer: null,
  audience: null,
  requiredClaims: [],
  keys: [{}],
});

/** The reason for which a realm with one condition rejects a payload, or `good`. */
function judge(name: string, condition: Condition, payload: string): string {
  const { rules } = genericPolicy({ ...SETTINGS, claims: { [name]: condition } });
  return rejection(rules, payload) ?? "good";
}

describe("conditions on claims", () => {
  const ROWS: readonly (readonly [
    what: string,
    name: string,
    condition: Condition,
    payload: string,
    verdict: string,
  ])[] = [
    ["an equal text", "a", { oneOf: ["x"] }, '{"a":"x"}', "good"],
    ["another text", "a", { oneOf: ["x"] }, '{"a":"X"}', "CLAIM_MISMATCH"],
    ["a list of the text", "a", { oneOf: ["x"] }, '{"a":["x"]}', "CLAIM_MISMATCH"],
    ["null", "a", { oneOf: ["x"] }, '{"a":null}', "CLAIM_MISMATCH"],
    ["no claim", "a", { oneOf: ["x"] }, "{}", "CLAIM_MISSING"],
    ["a number where a text is wanted", "a", { oneOf: ["3"] }, '{"a":3}', "CLAIM_MISMATCH"],
    ["a text where a number is wanted", "a", { oneOf: [3] }, '{"a":"3"}', "CLAIM_MISMATCH"],
    [
      "the text true where true is wanted",
      "ref_protected",
      { oneOf: [true] },
      '{"ref_protected":"true"}',
      "CLAIM_MISMATCH",
    ],
    [
      "true where the text true is wanted",
      "ref_protected",
      { oneOf: ["true"] },
      '{"ref_protected":true}',
      "CLAIM_MISMATCH",
    ],
    ["GitLab's true, which is a text", "ref_protected", { oneOf: ["true"] }, '{"ref_protected":"true"}', "good"],
    ["a number in another spelling", "a", { oneOf: [3] }, '{"a":30e-1}', "good"],
    ["a number that rounds to the wanted one", "a", { oneOf: [3] }, '{"a":3.00000000000000000001}', "CLAIM_MISMATCH"],
    [
      "a nested number that rounds to the wanted one",
      "/a/b",
      { oneOf: [9007199254740991] },
      '{"a":{"b":9007199254740991.1}}',
      "CLAIM_MISMATCH",
    ],
    ["a nested number", "/a/b", { oneOf: [9007199254740991] }, '{"b":1,"a":{"a":2,"b":9007199254740991}}', "good"],
    ["all members of a list", "groups", { includes: ["a", "b"] }, '{"groups":["b","c","a"]}', "good"],
    ["one of two members", "groups", { includes: ["a", "b"] }, '{"groups":["b","c"]}', "CLAIM_MISMATCH"],
    ["one of two alternatives", "groups", { includesAny: ["a", "b"] }, '{"groups":["b","c"]}', "good"],
    ["none of two alternatives", "groups", { includesAny: ["a", "b"] }, '{"groups":["c"]}', "CLAIM_MISMATCH"],
    ["an empty list", "groups", { includesAny: ["a", "b"] }, '{"groups":[]}', "CLAIM_MISMATCH"],
    [
      "a list of one that became a text",
      "groups",
      { includesAny: ["Domain admin"] },
      '{"groups":"Domain admin"}',
      "good",
    ],
    ["a word of a group's name", "groups", { includesAny: ["admin"] }, '{"groups":"Domain admin"}', "CLAIM_MISMATCH"],
    [
      "a word of a group's name in a list",
      "groups",
      { includes: ["admin"] },
      '{"groups":["Domain admin"]}',
      "CLAIM_MISMATCH",
    ],
    ["words of scope", "scope", { includes: ["read", "write"] }, '{"scope":"write read"}', "good"],
    ["words of scp", "scp", { includes: ["read"] }, '{"scp":"write read"}', "good"],
    ["a list in scp", "scp", { includes: ["read"] }, '{"scp":["write","read"]}', "good"],
    ["words of a nested scope", "/a/scope", { includesAny: ["read"] }, '{"a":{"scope":"write read"}}', "good"],
    [
      "words of scopes, which is not scope",
      "scopes",
      { includes: ["read"] },
      '{"scopes":"write read"}',
      "CLAIM_MISMATCH",
    ],
    ["a member that is a number", "a", { includes: [3] }, '{"a":["3",2,3.0]}', "good"],
    ["a member that is the number's text", "a", { includes: [3] }, '{"a":["3"]}', "CLAIM_MISMATCH"],
    ["a member that is the text's number", "a", { includes: ["3"] }, '{"a":[3]}', "CLAIM_MISMATCH"],
    [
      "a member that rounds to the wanted number",
      "/a/b",
      { includesAny: [3] },
      '{"a":{"b":[1,3.00000000000000000001]}}',
      "CLAIM_MISMATCH",
    ],
    [
      "a member that is a number, after one that rounds to it",
      "/a/b",
      { includesAny: [3] },
      '{"a":{"b":[{"x":3},3.00000000000000000001,3]}}',
      "good",
    ],
    ["a member of a member", "a", { includes: ["x"] }, '{"a":[["x"],{"x":"x"}]}', "CLAIM_MISMATCH"],
    ["an object where members are wanted", "a", { includes: ["x"] }, '{"a":{"x":true}}', "CLAIM_MISMATCH"],
    ["a number where members are wanted", "a", { includes: [3] }, '{"a":3}', "CLAIM_MISMATCH"],
    [
      "a text with one of two prefixes",
      "sub",
      { prefix: ["repo:acme/", "repo:acme@1001/"] },
      '{"sub":"repo:acme@1001/api@2002:ref:refs/heads/main"}',
      "good",
    ],
    [
      "a text with neither prefix",
      "sub",
      { prefix: ["repo:acme/", "repo:acme@1001/"] },
      '{"sub":"repo:acme-evil/x"}',
      "CLAIM_MISMATCH",
    ],
    [
      "a text that holds a prefix elsewhere",
      "sub",
      { prefix: ["repo:acme/"] },
      '{"sub":" repo:acme/x"}',
      "CLAIM_MISMATCH",
    ],
    [
      "a list of a text with the prefix",
      "uid",
      { prefix: ["repo:acme/"] },
      '{"uid":["repo:acme/x"]}',
      "CLAIM_MISMATCH",
    ],
    ["a number where a prefix is wanted", "uid", { prefix: ["1"] }, '{"uid":12}', "CLAIM_MISMATCH"],
    ["an absent claim that must be absent", "act", { absent: true }, '{"sub":"x"}', "good"],
    ["null for a claim that must be absent", "act", { absent: true }, '{"act":null}', "CLAIM_MISMATCH"],
    ["an object for a claim that must be absent", "act", { absent: true }, '{"act":{"sub":"x"}}', "CLAIM_MISMATCH"],
    ["an absent nested claim that must be absent", "/act/sub", { absent: true }, '{"act":{}}', "good"],
    ["two forms of which one holds", "sub", { prefix: ["a"], oneOf: ["b", "ab"] }, '{"sub":"b"}', "CLAIM_MISMATCH"],
    ["two forms that hold", "sub", { prefix: ["a"], oneOf: ["b", "ab"] }, '{"sub":"ab"}', "good"],
    ["both includes and includesAny", "g", { includes: ["a"], includesAny: ["b", "c"] }, '{"g":["c","a"]}', "good"],
    [
      "includes without includesAny",
      "g",
      { includes: ["a"], includesAny: ["b", "c"] },
      '{"g":["a"]}',
      "CLAIM_MISMATCH",
    ],
    [
      "a name like a path",
      "realm_access.roles",
      { includes: ["admin"] },
      '{"realm_access":{"roles":["admin"]}}',
      "CLAIM_MISSING",
    ],
    ["a pointer", "/realm_access/roles", { includes: ["admin"] }, '{"realm_access":{"roles":["admin"]}}', "good"],
    [
      "__proto__ as an ordinary member",
      "/__proto__/roles",
      { includes: ["admin"] },
      '{"__proto__":{"roles":["admin"]}}',
      "good",
    ],
    ["nothing of a prototype", "/a/constructor/name", { oneOf: ["Object"] }, '{"a":{}}', "CLAIM_MISSING"],
    ["a name that begins with a slash", "/~1roles", { oneOf: ["x"] }, '{"/roles":"x"}', "good"],
    [
      "a URL as a name",
      "https://example.com/roles",
      { includes: ["x"] },
      '{"https://example.com/roles":["x"]}',
      "good",
    ],
    [
      "a URL as a pointer",
      "/https:~1~1example.com~1roles",
      { includes: ["x"] },
      '{"https://example.com/roles":["x"]}',
      "good",
    ],
  ];
  for (const [what, name, condition, payload, verdict] of ROWS) {
    it(`${name} ${JSON.stringify(condition)}: ${what} is ${verdict}`, () => {
      expect(judge(name, condition, payload)).to.equal(verdict);
    });
  }

  it("a rejection names the claim as the configuration writes it", () => {
    for (const claim of ["/realm_access/roles", "/a~1b"]) {
      expect(conditionOn(claim, { includes: ["x"] }).claim).to.equal(claim);
      expect(conditionOn(claim, { absent: true }).claim).to.equal(claim);
    }
  });

  it("a condition that is not about a claim's presence passes if the claim is absent", () => {
    expect(rejection([conditionOn("a", { oneOf: ["x"] })], "{}")).to.equal(undefined);
  });
});

const word = fc.constantFrom<string>("a", "b", "c", "A", "", "a b", "constructor", "__proto__");
const scalar = fc.oneof(word, fc.constantFrom(0, 1, 3, true, false));
const value = fc.oneof(scalar, fc.constant(null), fc.array(scalar), fc.dictionary(word, word));
const wantedValues = fc.array(scalar, { minLength: 1, maxLength: 4 });
const path = fc.array(fc.constantFrom("a", "b/c", "~", "__proto__"), { minLength: 1, maxLength: 3 });
/** An object that has a value at a path. */
const nested = (names: readonly string[], inner: unknown): string =>
  names.reduceRight((json, name) => `{${JSON.stringify(name)}:${json}}`, JSON.stringify(inner));

describe("conditions on any value", () => {
  it("oneOf admits exactly the values that are strictly equal to one of them, at any depth", () => {
    fc.assert(
      fc.property(path, value, wantedValues, (names, given, oneOf) => {
        const verdict = judge(pointerTo(names), { oneOf }, nested(names, given));
        expect(verdict === "good").to.equal((oneOf as readonly unknown[]).includes(given));
      }),
    );
  });

  it("includes wants all members of a list, and includesAny one of them", () => {
    fc.assert(
      fc.property(path, fc.array(scalar), wantedValues, (names, given, wanted) => {
        const payload = nested(names, given);
        const has = (one: ClaimValue): boolean => given.includes(one);
        expect(judge(pointerTo(names), { includes: wanted }, payload) === "good").to.equal(wanted.every(has));
        expect(judge(pointerTo(names), { includesAny: wanted }, payload) === "good").to.equal(wanted.some(has));
      }),
    );
  });

  it("a text that is not a scope counts as one member", () => {
    fc.assert(
      fc.property(word, word, (given, wanted) => {
        const payload = JSON.stringify({ groups: given });
        expect(judge("groups", { includes: [wanted] }, payload) === "good").to.equal(given === wanted);
      }),
    );
  });

  it("prefix admits exactly the texts that begin with one of them", () => {
    const prefixes = fc.array(fc.string({ minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.oneof(fc.string(), value), prefixes, (given, prefix) => {
        const begins = typeof given === "string" && prefix.some((one) => given.startsWith(one));
        expect(judge("c", { prefix }, JSON.stringify({ c: given })) === "good").to.equal(begins);
      }),
    );
  });

  it("forms in one condition all must hold", () => {
    const condition = fc.record(
      {
        oneOf: wantedValues,
        includes: wantedValues,
        includesAny: wantedValues,
        prefix: fc.array(fc.constantFrom("a", "b"), { minLength: 1 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(value, condition, (given, all) => {
        const payload = JSON.stringify({ c: given });
        const each = Object.entries(all).every(([form, wanted]) => judge("c", { [form]: wanted }, payload) === "good");
        expect(judge("c", all, payload) === "good").to.equal(each);
      }),
    );
  });

  it("numbers compare by their exact decimal value, in every spelling and at any depth", () => {
    const digits = fc.tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 25n }), fc.integer({ min: 0, max: 8 }));
    fc.assert(
      fc.property(
        digits,
        fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
        fc.boolean(),
        path,
        ([negative, integer, zeros], other, isSame, names) => {
          const wanted = isSame ? Number(integer % BigInt(Number.MAX_SAFE_INTEGER)) * (negative ? -1 : 1) : other;
          // The same number with zeros behind the point, and one that differs from it in the last digit alone.
          const written = isSame ? `${wanted === 0 ? 0 : wanted}` : `${negative ? "-" : ""}${integer}`;
          const spelled = `${written}${zeros > 0 ? `.${"0".repeat(zeros)}` : ""}`;
          const off = `${written}.${"0".repeat(zeros + 20)}1`;
          const equals = BigInt(written) === BigInt(wanted);
          const at = (text: string) => nested(names, "@").replace('"@"', text);
          const name = pointerTo(names);
          expect(judge(name, { oneOf: [wanted] }, at(spelled)) === "good").to.equal(equals);
          expect(judge(name, { includes: [wanted] }, at(`["x", ${spelled} ,{}]`)) === "good").to.equal(equals);
          expect(judge(name, { oneOf: [wanted] }, at(off))).to.equal("CLAIM_MISMATCH");
          expect(judge(name, { includesAny: [wanted] }, at(`[${off}]`))).to.equal("CLAIM_MISMATCH");
        },
      ),
    );
  });

  it("a token is judged the same the second time", () => {
    fc.assert(
      fc.property(value, wantedValues, (given, wanted) => {
        const payload = JSON.stringify({ c: given });
        const claims = readObject(Buffer.from(payload))?.value ?? expect.fail(payload.slice(0, 200));
        const { test } = conditionOn("c", { includes: wanted });
        expect(test(claims, contextOf(payload))).to.equal(test(claims, contextOf(payload)));
      }),
    );
  });
});

describe("the explanation of a condition", () => {
  const detail = (name: string, condition: Condition, payload: string): string => {
    const claims = readObject(Buffer.from(payload))?.value ?? expect.fail(payload.slice(0, 200));
    return conditionOn(name, condition).detail?.(claims, contextOf(payload)) ?? expect.fail(name);
  };

  for (const [name, condition, payload, text] of [
    ["token_use", { oneOf: ["access"] }, '{"token_use":"id"}', `'token_use' is "id"; wanted: "access".`],
    ["tid", { oneOf: ["a", 3] }, '{"tid":3.0}', `'tid' is 3.0; wanted: one of "a", 3.`],
    [
      "groups",
      { includesAny: ["ops"] },
      '{"groups":[ "admin", "staff" ]}',
      `'groups' has "admin", "staff"; wanted: any of "ops".`,
    ],
    [
      "groups",
      { includes: ["ops", "dev"] },
      '{"groups":[]}',
      `'groups' is an empty list; wanted: all of "ops", "dev".`,
    ],
    ["groups", { includes: ["ops"] }, '{"groups":{"ops":1}}', `'groups' is {"ops":1}; wanted: all of "ops".`],
    ["scope", { includes: ["read"] }, '{"scope":"write"}', `'scope' is "write"; wanted: all of "read".`],
    ["sub", { prefix: ["repo:acme/"] }, '{"sub":"x"}', `'sub' is "x"; wanted: a text that begins with "repo:acme/".`],
    [
      "sub",
      { prefix: ["a:", "b:"], oneOf: ["a:1"] },
      '{"sub":"x"}',
      `'sub' is "x"; wanted: "a:1" and a text that begins with one of "a:", "b:".`,
    ],
    ["act", { absent: true }, '{"act":null}', "'act' is null; wanted: no such claim."],
    [
      "/realm_access/roles",
      { includes: ["x"] },
      '{"realm_access":{"roles":["y"]}}',
      `'/realm_access/roles' has "y"; wanted: all of "x".`,
    ],
    ["/a/b", { includes: ["x"] }, '{"a":[{"b":"x"}]}', `'/a/b' is absent; wanted: all of "x".`],
    ["a", { oneOf: ["x"] }, '{"a":"\\u001b[2J\\u009b\\n"}', `'a' is "\\u001b[2J\\u009b\\n"; wanted: "x".`],
  ] as const) {
    it(`${name} ${JSON.stringify(condition)} of ${payload}: ${text}`, () => {
      expect(detail(name, condition, payload)).to.equal(text);
    });
  }

  it("an explanation shows the first ten of many members, and counts the others", () => {
    const groups = Array.from({ length: 1_900 }, (_, n) => `g${n}`);
    expect(detail("groups", { includesAny: ["ops"] }, JSON.stringify({ groups }))).to.equal(
      `'groups' has "g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9" and 1890 more; wanted: any of "ops".`,
    );
  });

  it("an explanation is in one line of at most 400 printable characters", () => {
    const long = fc.oneof(
      fc.jsonValue(),
      fc.string({ minLength: 200, unit: "binary" }),
      fc.array(fc.string({ minLength: 20 }), { minLength: 20 }),
    );
    fc.assert(
      fc.property(long, fc.array(fc.string({ minLength: 30 }), { minLength: 1, maxLength: 20 }), (given, wanted) => {
        const payload = JSON.stringify({ c: given }).replace(/[\ud800-\udfff]/gu, "");
        for (const form of ["oneOf", "includes", "includesAny", "prefix"]) {
          const text = detail("c", { [form]: wanted }, payload);
          expect(text.length).to.be.at.most(400);
          expect(text).not.to.match(/[\p{Cc}\u2028\u2029]/u);
        }
      }),
    );
  });
});
