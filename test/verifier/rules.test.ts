import { expect } from "chai";
import fc from "fast-check";
import type { Rule, RuleContext } from "../../src/verifier/realm.js";
import {
  audience,
  headerType,
  isAudience,
  issuedInPast,
  issuer,
  isTime,
  lifetime,
  notBefore,
  notExpired,
  required,
  typed,
} from "../../src/verifier/rules.js";

const LAST = 253_402_300_799;

const at = (seconds: number, header = {}, payload = "{}"): RuleContext => ({
  seconds,
  header,
  payload,
  caller: { kind: "anyone" },
});
const passes = (rule: Rule, claims: object, seconds = 0): boolean =>
  rule.test(claims as Record<string, unknown>, at(seconds, {}, JSON.stringify(claims)));

/** Times, with many edge cases. */
const time = fc.oneof(
  fc.constantFrom(0, 1, LAST, LAST - 1, 1_800_000_000),
  fc.integer({ min: 0, max: LAST }),
  fc.double({ min: 0, max: LAST, noNaN: true }),
);
/** Values that are not times. */
const noTime = fc.oneof(
  fc.constantFrom(null, true, "1800000000", [], {}, -1, -0.001, LAST + 1, LAST + 0.5, 1.8e12, Number.MAX_VALUE),
  fc.string(),
);
const seconds = fc.integer({ min: 0, max: 2 ** 33 }).map((millis) => millis / 1000);
const tolerance = fc.integer({ min: 0, max: 3600 });

describe("times", () => {
  it("a time is a number from 1970 to the end of the year 9999", () => {
    fc.assert(fc.property(time, (value) => isTime(value)));
    fc.assert(fc.property(noTime, (value) => !isTime(value)));
    expect([Number.NaN, Number.POSITIVE_INFINITY, undefined].filter(isTime)).to.deep.equal([]);
  });

  it("a time that reads like milliseconds is refused, and the detail says so with the time it stands for", () => {
    for (const claim of ["exp", "nbf", "iat"]) {
      const rule = typed(claim, isTime);
      const detailOf = (value: unknown): string | undefined => rule.detail?.({ [claim]: value }, at(0));
      expect(passes(rule, { [claim]: 1_800_000_000_000 })).to.equal(false);
      expect(detailOf(1_800_000_000_000)).to.equal(
        `'${claim}' reads like milliseconds (2027-01-15T08:00:00.000Z); a JWT has seconds (RFC 7519, section 2).`,
      );
      expect(detailOf(1_799_999_999_999.5)).to.include("2027-01-15T07:59:59.999Z");
      for (const other of [undefined, 1_800_000_000, 0, "1800000000000", null, -1.8e12, 1.8e18]) {
        expect(detailOf(other)).to.equal("");
      }
    }
    expect(typed("sub", (value) => typeof value === "string").detail).to.equal(undefined);
  });

  it("a token has expired if exp is not after now less the tolerance", () => {
    fc.assert(
      fc.property(
        time,
        seconds,
        tolerance,
        (exp, now, slack) => passes(notExpired(slack), { exp }, now) === exp > now - slack,
      ),
    );
    expect(passes(notExpired(), { exp: 100 }, 100)).to.equal(false);
    expect(passes(notExpired(), { exp: 100.001 }, 100)).to.equal(true);
    expect(passes(notExpired(5), { exp: 95 }, 100)).to.equal(false);
    expect(passes(notExpired(5), { exp: 95.001 }, 100)).to.equal(true);
  });

  it("a token is not yet valid if nbf is after now plus the tolerance", () => {
    fc.assert(
      fc.property(
        time,
        seconds,
        tolerance,
        (nbf, now, slack) => passes(notBefore(slack), { nbf }, now) === nbf <= now + slack,
      ),
    );
    expect(passes(notBefore(), { nbf: 100 }, 100)).to.equal(true);
    expect(passes(notBefore(5), { nbf: 105.001 }, 100)).to.equal(false);
  });

  it("a token is issued in the future if iat is after now", () => {
    fc.assert(fc.property(time, seconds, (iat, now) => passes(issuedInPast(), { iat }, now) === iat <= now));
  });

  it("a token may live no longer than the maximum lifetime", () => {
    fc.assert(
      fc.property(
        time,
        time,
        fc.integer({ min: 1, max: 1e9 }),
        (iat, exp, max) => passes(lifetime(max), { iat, exp }, 1e12) === exp - iat <= max,
      ),
    );
    expect(passes(lifetime(60), { iat: 100, exp: 160 }, 100)).to.equal(true);
    expect(passes(lifetime(60), { iat: 100, exp: 160.001 }, 100)).to.equal(false);
  });

  it("an iat more than ten minutes ahead does not extend the maximum lifetime", () => {
    const now = 1_000_000;
    expect(passes(lifetime(60), { iat: now + 600, exp: now + 660 }, now)).to.equal(true);
    expect(passes(lifetime(60), { iat: now + 601, exp: now + 661 }, now)).to.equal(false);
    expect(passes(lifetime(60), { iat: 1e9 - 1, exp: 1e9 }, now)).to.equal(false);
    fc.assert(
      fc.property(
        time,
        time,
        fc.integer({ min: 1, max: 1e9 }),
        (iat, exp, max) => !passes(lifetime(max), { iat, exp }, now) || exp <= now + 600 + max,
      ),
    );
  });

  it("the rules on times pass if a claim is absent or not a time, which other rules check", () => {
    const rules = [notExpired(), notBefore(), issuedInPast(), lifetime(1)];
    fc.assert(
      fc.property(noTime, (value) => rules.every((rule) => passes(rule, { exp: value, nbf: value, iat: value }, 1e9))),
    );
    for (const rule of rules) expect(passes(rule, {}, 1e9), rule.check).to.equal(true);
  });
});

describe("presence and type", () => {
  it("null counts as present, and the prototype's members do not", () => {
    expect(passes(required("exp"), { exp: null })).to.equal(true);
    expect(passes(required("exp"), {})).to.equal(false);
    expect(passes(required("toString"), {})).to.equal(false);
    expect(passes(required("exp"), Object.create({ exp: 1 }) as object)).to.equal(false);
    expect(passes(typed("exp", isTime), { exp: null })).to.equal(false);
    expect(passes(typed("exp", isTime), {})).to.equal(true);
    expect(passes(typed("constructor", isTime), {})).to.equal(true);
  });

  for (const [claim, claims, detail] of [
    ["sub", {}, ""],
    ["realm_access.roles", {}, ""],
    [
      "realm_access.roles",
      { realm_access: { roles: [] } },
      "The token has '/realm_access/roles', and 'realm_access.roles' is one member's name.",
    ],
    ["/realm_access/roles", {}, "There is no 'realm_access' in the token."],
    ["/realm_access/roles", { realm_access: { groups: [] } }, "'/realm_access' has no member 'roles'."],
    ["/realm_access/roles", { realm_access: [{ roles: [] }] }, "'/realm_access' is no object."],
    ["/a/b/c", { a: { b: null } }, "'/a/b' is no object."],
    ["/realm_access/roles", { realm_access: { roles: null } }, ""],
  ] as const) {
    it(`the explanation for ${claim} in ${JSON.stringify(claims)} is "${detail}"`, () => {
      expect(required(claim).detail?.(claims, at(0))).to.equal(detail);
    });
  }

  it("an audience is a string or a list of at least one string", () => {
    const any = fc.anything();
    fc.assert(
      fc.property(
        any,
        (value) =>
          isAudience(value) ===
          (typeof value === "string" ||
            (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string"))),
      ),
    );
    expect(isAudience([])).to.equal(false);
  });
});

describe("values", () => {
  const word = fc.constantFrom<string>("a", "b", "c", "A", "", "a b", "constructor", "__proto__");
  const value = fc.oneof(word, fc.constantFrom(0, 1, true, false, null), fc.array(word), fc.dictionary(word, word));

  it("issuers compare exactly, and an absent one is a mismatch", () => {
    fc.assert(
      fc.property(
        value,
        fc.uniqueArray(word, { minLength: 1 }),
        (iss, all) => passes(issuer(all), { iss }) === all.includes(iss as string),
      ),
    );
    expect(passes(issuer(["a"]), {})).to.equal(false);
  });

  it("audiences compare exactly, and any of a list may match", () => {
    fc.assert(
      fc.property(value, fc.uniqueArray(word, { minLength: 1 }), (aud, all) => {
        const given: unknown[] = Array.isArray(aud) ? aud : [aud];
        return passes(audience(all), { aud }) === given.some((one) => all.includes(one as string));
      }),
    );
  });
});

describe("the header's typ", () => {
  const takes = (rule: Rule, header: object): boolean => rule.test({}, at(0, header));

  it("typ compares without case and without a leading application/", () => {
    const rule = headerType(["JWT", "application/at+jwt"], false);
    for (const typ of ["JWT", "jwt", "application/JWT", "APPLICATION/jwt", "at+jwt", "application/AT+JWT"]) {
      expect(takes(rule, { typ }), typ).to.equal(true);
    }
    for (const typ of ["", "J", "JWTS", " jwt", "application/", "application/application/jwt", "text/jwt", 7, null]) {
      expect(takes(rule, { typ }), String(typ)).to.equal(false);
    }
  });

  it("typ may be absent unless it is required", () => {
    expect(takes(headerType(["JWT"], false), {})).to.equal(true);
    expect(takes(headerType(["JWT"], true), {})).to.equal(false);
    expect(takes(headerType(undefined, true), {})).to.equal(false);
    expect(takes(headerType(undefined, true), { typ: "anything" })).to.equal(true);
  });
});

describe("details", () => {
  it("a rule's detail is at most 300 characters, and making it never throws", () => {
    const rules = [notExpired(), notBefore(), issuedInPast(), lifetime(9), issuer(["i"]), audience(["a"])];
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const rule of rules) {
          const said =
            rule.detail?.({ exp: value, nbf: value, iat: value, iss: value, aud: value }, at(1_800_000_000)) ?? "";
          if (said.length > 300) return false;
        }
        return true;
      }),
    );
    fc.assert(fc.property(time, (exp) => (notExpired().detail?.({ exp }, at(1_800_000_000)) ?? "").endsWith(".")));
  });
});
