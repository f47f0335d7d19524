import { expect } from "chai";
import fc from "fast-check";
import { unverifiedIssuer } from "../../src/jws/compact.js";

const token = (payload: string): string => `e30.${Buffer.from(payload).toString("base64url")}.`;

describe("unverifiedIssuer", () => {
  for (const [what, payload, issuer] of [
    ["a string", '{"iss":"https://a.example"}', "https://a.example"],
    ["a string outside ASCII", '{"iss":"\u00fc\u{1F511}"}', "\u00fc\u{1F511}"],
    ["empty", '{"iss":""}', ""],
    ["one member among others", '{"a":{"iss":"no"},"iss":"yes"}', "yes"],
    ["absent", '{"sub":"a"}', undefined],
    ["a number", '{"iss":1}', undefined],
    ["null", '{"iss":null}', undefined],
    ["a list", '{"iss":["a"]}', undefined],
    ["in a list", '["iss"]', undefined],
    ["a payload of a string", '"iss"', undefined],
    ["a payload of null", "null", undefined],
    ["an empty payload", "", undefined],
    ["in a payload cut short", '{"iss":"a"', undefined],
    ["on the prototype", '{"__proto__":{"iss":"a"}}', undefined],
  ] as const) {
    it(`finds ${issuer ?? "nothing"} for an issuer: ${what}`, () =>
      expect(unverifiedIssuer(token(payload))).to.equal(issuer));
  }

  it("finds no issuer in a text without a payload", () => {
    for (const text of ["", ".", "..", "a", "a.b", "e30.e30", "....", token('{"iss":"a"}').slice(0, -1)]) {
      expect(unverifiedIssuer(text), text).to.equal(undefined);
    }
  });

  it("unverifiedIssuer never throws", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (payload, other) => {
        expect(unverifiedIssuer(token(payload))).to.be.oneOf([undefined, issuerIn(payload)]);
        expect(() => unverifiedIssuer(`${payload}.${other}.${payload}`)).not.to.throw();
      }),
    );
  });
});

function issuerIn(payload: string): unknown {
  try {
    return (JSON.parse(payload) as { iss?: unknown } | null)?.iss;
  } catch {
    return undefined;
  }
}
