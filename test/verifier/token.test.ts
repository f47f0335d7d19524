import { expect } from "chai";
import fc from "fast-check";
import { Token } from "../../gen/tokenverifier/v1/token_verifier.js";
import { timestamp, tokenMessage } from "../../src/verifier/token.js";

const LAST = 253_402_300_799;

describe("timestamps", () => {
  it("are to the microsecond, rounded down", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: LAST, noNaN: true }), (value) => {
        const { seconds = 0n, nanos = 0 } = timestamp(value) ?? {};
        expect(Number(seconds)).to.equal(Math.floor(value));
        expect(nanos % 1000).to.equal(0);
        expect(nanos).to.be.within(0, 999_999_000);
        const left = (value - Math.floor(value)) * 1e6 - nanos / 1000;
        expect(left).to.be.at.least(0);
        expect(left).to.be.below(1);
      }),
    );
  });

  it("are exact for whole seconds", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: LAST }), (value) => {
        expect(timestamp(value)).to.deep.equal({ seconds: BigInt(value), nanos: 0 });
      }),
    );
    expect(timestamp(-0)).to.deep.equal({ seconds: 0n, nanos: 0 });
    expect(timestamp(1.5)).to.deep.equal({ seconds: 1n, nanos: 500_000_000 });
    expect(timestamp(0.999_999_9)).to.deep.equal({ seconds: 0n, nanos: 999_999_000 });
  });

  it("are absent for what is no time", () => {
    for (const value of [undefined, null, "1", -1, LAST + 1, Number.NaN, [], true])
      expect(timestamp(value)).to.equal(undefined);
  });
});

describe("a token's message", () => {
  it("says what the signed bytes say", () => {
    const claims = { sub: "s", iss: "i", aud: ["a", "b"], exp: 3.5, nbf: 1, iat: 2, jti: "j", other: 7 };
    expect(tokenMessage({ alg: "ES256", kid: "k" }, claims, "{}")).to.deep.equal({
      subject: "s",
      issuer: "i",
      audience: ["a", "b"],
      expiresAt: { seconds: 3n, nanos: 500_000_000 },
      notBefore: { seconds: 1n, nanos: 0 },
      issuedAt: { seconds: 2n, nanos: 0 },
      id: "j",
      keyId: "k",
      algorithm: "ES256",
      payload: "{}",
    });
  });

  it("leaves out what is absent or of another type", () => {
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
    };
    expect(tokenMessage({}, {}, "{}")).to.deep.equal(nothing);
    const wrong = { sub: 1, iss: null, aud: 7, exp: "1", nbf: [], iat: {}, jti: true };
    expect(tokenMessage({ kid: 1, alg: [] }, wrong, "{}")).to.deep.equal(nothing);
    const inherited = Object.create({ sub: "s", aud: "a", exp: 1 }) as Record<string, unknown>;
    expect(tokenMessage({}, inherited, "{}")).to.deep.equal(nothing);
    expect(tokenMessage({}, { aud: ["a", 7, null] }, "{}").audience).to.deep.equal(["a"]);
    expect(tokenMessage({}, { aud: "a" }, "{}").audience).to.deep.equal(["a"]);
  });

  it("is encoded so that it reads back the same, whatever the claims", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("sub", "iss", "aud", "exp", "nbf", "iat", "jti"), fc.jsonValue()),
        (claims) => {
          const token = tokenMessage({ alg: "HS256" }, claims, JSON.stringify(claims));
          expect(Token.decode(Token.encode(token).finish())).to.deep.equal(token);
        },
      ),
    );
  });
});
