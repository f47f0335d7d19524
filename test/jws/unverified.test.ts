import { expect } from "chai";
import fc from "fast-check";
import { unverifiedIssuer } from "../../src/jws/compact.js";

const token = (payload: string): string => `e30.${Buffer.from(payload).toString("base64url")}.`;

describe("unverifiedIssuer", () => {
  for (const [what, payload, issuer] of [
    ["a text", '{"iss":"https://a.example"}', "https://a.example"],
    ["one in other letters of Unicode", '{"iss":"\u00fc\u{1F511}"}', "\u00fc\u{1F511}"],
    ["an empty one", '{"iss":""}', ""],
    ["one among others", '{"a":{"iss":"no"},"iss":"yes"}', "yes"],
    ["none", '{"sub":"a"}', undefined],
    ["a number", '{"iss":1}', undefined],
    ["null", '{"iss":null}', undefined],
    ["a list", '{"iss":["a"]}', undefined],
    ["one of a list", '["iss"]', undefined],
    ["one of a text", '"iss"', undefined],
    ["one of null", "null", undefined],
    ["one of nothing", "", undefined],
    ["half of one", '{"iss":"a"', undefined],
    ["the prototype's", '{"__proto__":{"iss":"a"}}', undefined],
  ] as const) {
    it(`finds ${what}: ${issuer ?? "nothing"}`, () => expect(unverifiedIssuer(token(payload))).to.equal(issuer));
  }

  it("finds nothing in what has no payload", () => {
    for (const text of ["", ".", "..", "a", "a.b", "e30.e30", "....", token('{"iss":"a"}').slice(0, -1)]) {
      expect(unverifiedIssuer(text), text).to.equal(undefined);
    }
  });

  it("throws at nothing", () => {
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
