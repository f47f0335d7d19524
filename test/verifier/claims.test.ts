import { expect } from "chai";
import fc from "fast-check";
import { VerifyTokenResponse } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Token, Verified } from "../../src/contract/verifier.js";
import type { JsonObject } from "../../src/jws/json.js";
import { instant, subjectOfClaims } from "../../src/verifier/claims.js";
import { SignedToken } from "../../src/verifier/signed-token.js";
import { encodeVerdict } from "../../src/wire/answers.js";
import { outcomeFromWire } from "../../src/wire/messages.js";

const LAST = 253_402_300_799;

describe("the times of a token", () => {
  it("a token's times are in microseconds, rounded down", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: LAST, noNaN: true }), (value) => {
        const { seconds = 0, nanos = 0 } = instant(value) ?? {};
        expect(seconds).to.equal(Math.floor(value));
        expect(nanos % 1000).to.equal(0);
        expect(nanos).to.be.within(0, 999_999_000);
        const left = (value - Math.floor(value)) * 1e6 - nanos / 1000;
        expect(left).to.be.at.least(0);
        expect(left).to.be.below(1);
      }),
    );
  });

  it("a token's times are exact for whole seconds", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: LAST }), (value) => {
        expect(instant(value)).to.deep.equal({ seconds: value, nanos: 0 });
      }),
    );
    expect(instant(-0)).to.deep.equal({ seconds: 0, nanos: 0 });
    expect(instant(1.5)).to.deep.equal({ seconds: 1, nanos: 500_000_000 });
    expect(instant(0.999_999_9)).to.deep.equal({ seconds: 0, nanos: 999_999_000 });
  });

  it("a token's times are absent for values that are not times", () => {
    for (const value of [undefined, null, "1", -1, LAST + 1, Number.NaN, [], true])
      expect(instant(value)).to.equal(undefined);
  });
});

/** The members of a token that are sent. */
function contentOf(token: Token): Omit<Token, "encoded"> {
  const { subject, issuer, audience, expiresAt, notBefore, issuedAt, id, keyId, algorithm, payload, confirmation } =
    token;
  return { subject, issuer, audience, expiresAt, notBefore, issuedAt, id, keyId, algorithm, payload, confirmation };
}

const tokenOf = (header: JsonObject, claims: JsonObject, payload: string) =>
  contentOf(new SignedToken(header, claims, payload));

describe("the content of a token", () => {
  it("a token's content is what the signed bytes say", () => {
    const claims = { sub: "s", iss: "i", aud: ["a", "b"], exp: 3.5, nbf: 1, iat: 2, jti: "j", other: 7 };
    expect(tokenOf({ alg: "ES256", kid: "k" }, claims, "{}")).to.deep.equal({
      subject: "s",
      issuer: "i",
      audience: ["a", "b"],
      expiresAt: { seconds: 3, nanos: 500_000_000 },
      notBefore: { seconds: 1, nanos: 0 },
      issuedAt: { seconds: 2, nanos: 0 },
      id: "j",
      keyId: "k",
      algorithm: "ES256",
      payload: "{}",
      confirmation: undefined,
    });
  });

  it("a token's content leaves out claims that are absent or of another type", () => {
    const nothing = {
      subject: "",
      issuer: "",
      audience: [],
      expiresAt: undefined,
      notBefore: undefined,
      issuedAt: undefined,
      id: "",
      keyId: "",
      algorithm: "",
      payload: "{}",
      confirmation: undefined,
    };
    expect(tokenOf({}, {}, "{}")).to.deep.equal(nothing);
    const wrong = { sub: 1, iss: null, aud: 7, exp: "1", nbf: [], iat: {}, jti: true };
    expect(tokenOf({ kid: 1, alg: [] }, wrong, "{}")).to.deep.equal(nothing);
    const inherited = Object.create({ sub: "s", aud: "a", exp: 1 }) as Record<string, unknown>;
    expect(tokenOf({}, inherited, "{}")).to.deep.equal(nothing);
    expect(tokenOf({}, { aud: ["a", 7, null] }, "{}").audience).to.deep.equal(["a"]);
    expect(tokenOf({}, { aud: "a" }, "{}").audience).to.deep.equal(["a"]);
  });

  it("a token's confirmation has the texts of its cnf, and is there if the claim has any value", () => {
    const confirmation = (cnf: unknown) => tokenOf({}, { cnf }, "{}").confirmation;
    expect(confirmation({ jkt: "a", "x5t#S256": "b", kid: "c" })).to.deep.equal({ jkt: "a", x5tS256: "b" });
    for (const cnf of [null, undefined, "x", 1, [], ["jkt"], {}, { jkt: 1, "x5t#S256": null }]) {
      expect(confirmation(cnf)).to.deep.equal({ jkt: "", x5tS256: "" });
    }
    const inherited = Object.create({ cnf: {} }) as Record<string, unknown>;
    expect(tokenOf({}, inherited, "{}").confirmation).to.equal(undefined);
    expect(confirmation(Object.create({ jkt: "a" }))).to.deep.equal({ jkt: "", x5tS256: "" });
  });

  it("a token's content reads back the same after encoding, whatever its claims", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("sub", "iss", "aud", "exp", "nbf", "iat", "jti"), fc.jsonValue()),
        (claims) => {
          const token = new SignedToken({ alg: "HS256" }, claims, JSON.stringify(claims));
          const evidence = {
            keySetAge: undefined,
            keySetStale: false,
            position: undefined,
            cacheableUntil: undefined,
            trustedKey: "",
            realmVersion: "",
            evaluatedAt: 0,
            feedAge: undefined,
          };
          const verdict: Verified = { kind: "verified", token, principal: undefined, evidence, checks: [] };
          const plain = { ...verdict, token: contentOf(token) };
          // The second answer is written around what the first one left encoded.
          const [first, second] = [encodeVerdict(verdict), encodeVerdict(verdict)];
          expect(token.encoded).to.be.a("string");
          expect(first.equals(encodeVerdict(plain))).to.equal(true);
          expect(second.equals(first)).to.equal(true);
          expect(outcomeFromWire(VerifyTokenResponse.decode(first))).to.deep.equal(plain);
        },
      ),
    );
  });
});

describe("subjectOfClaims", () => {
  const idOf = (sub: string): string | undefined => {
    const payload = `{"sub":${sub},"iss":"https://a.example"}`;
    const claims = JSON.parse(payload) as JsonObject;
    return subjectOfClaims.from === "claims"
      ? subjectOfClaims.read(claims, { payload, caller: { kind: "anyone" } })?.user?.id
      : undefined;
  };

  for (const [sub, id] of [
    ['"somebody"', "somebody"],
    ['"undefined"', "undefined"],
    ["4", "4"],
    ["1e3", "1e3"],
    ["12345678901234567890", "12345678901234567890"],
    ['""', undefined],
    ["null", undefined],
    ["true", undefined],
    ["[4]", undefined],
    ["{}", undefined],
  ] as const) {
    it(`the sub ${sub} names ${id === undefined ? "no user" : `the user ${id}`}`, () => {
      expect(idOf(sub)).to.equal(id);
    });
  }
});
