import { expect } from "chai";
import fc from "fast-check";
import { genericSchema } from "../../src/config/realm-forms.js";
import type { JsonObject } from "../../src/jws/json.js";
import { genericPolicy } from "../../src/verifier/generic.js";
import type { Caller, Rule } from "../../src/verifier/realm.js";
import { makeBench } from "../support/view.js";

// A rule that depends on the token alone runs once for a cached token, so neither time nor caller may change its result.

const SETTINGS = {
  algorithms: ["ES256"],
  issuer: ["https://issuer.example", "https://{tenant}.example"],
  audience: ["a", "b"],
  typ: ["JWT", "at+jwt"],
  typRequired: true,
  requiredClaims: ["sub", "jti", "/nested/id"],
  claims: { role: { oneOf: ["admin", "user"] }, scope: { includes: ["read"] }, level: { oneOf: [1, 2] } },
  maxLifetime: "1h",
  keys: [{}],
};

const POLICIES = [
  ...["verifier.yaml", "verifier-conditions.yaml"].flatMap((name) =>
    [...makeBench(name).realms].map(([realm, { policy }]) => [realm, policy] as const),
  ),
  ["generic", genericPolicy(genericSchema.parse(SETTINGS))] as const,
  [
    "generic and lenient",
    genericPolicy(genericSchema.parse({ ...SETTINGS, lenient: ["nonStringIds", "nullClaims"] })),
  ] as const,
];
const RULES: readonly (readonly [string, Rule])[] = POLICIES.flatMap(([name, { rules }]) =>
  rules.filter(({ dependsOn }) => dependsOn === "token").map((rule) => [`${name}: ${rule.check}`, rule] as const),
);

const names = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "role", "level", "token_type", "tenant"];
const value = fc.oneof(
  fc.constantFrom(
    "https://issuer.example",
    "https://t.example",
    "clowk",
    "a",
    "admin",
    "read write",
    "access",
    "t",
    "JWT",
  ),
  fc.constantFrom(1, 1_800_000_000, 1_900_000_000, null, true),
  fc.array(fc.constantFrom("a", "read", "c"), { maxLength: 3 }),
  fc.jsonValue({ maxDepth: 2 }),
) as fc.Arbitrary<JsonObject[string]>;
const object = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value, { maxKeys: 12 });
const header = fc.dictionary(fc.constantFrom("typ", "alg", "kid", "cty"), value);
const caller: fc.Arbitrary<Caller> = fc.oneof(
  fc.constantFrom<Caller>({ kind: "anyone" }, { kind: "workload" }),
  fc
    .constantFrom("a", "b", "inst_1")
    .map((id): Caller => ({ kind: "instance", instance: { id, appId: id, keys: [] } })),
  fc.constantFrom("a", "b").map((clientId): Caller => ({ kind: "client", client: { clientId } })),
);
const call = fc.record({ seconds: fc.double({ min: 0, max: 4e9, noNaN: true }), caller });

/** The same members in the opposite order. */
const reversed = (of: JsonObject): JsonObject => Object.fromEntries(Object.entries(of).reverse());

describe("rules of the token alone", () => {
  it("presets and generic realms have rules of the token alone", () => {
    expect(RULES.length).to.be.above(20);
  });

  it("a rule of the token alone gives one result at all times, to all callers and in any order of the header", () => {
    fc.assert(
      fc.property(object, header, call, call, (claims, head, one, another) => {
        const payload = JSON.stringify(claims);
        for (const [name, { test }] of RULES) {
          const first = test(claims, { ...one, header: head, payload });
          expect(test(claims, { ...another, header: reversed(head), payload }), name).to.equal(first);
          expect(test(claims, { ...one, header: head, payload }), `${name}, again`).to.equal(first);
        }
      }),
      { numRuns: 300 },
    );
  });
});
