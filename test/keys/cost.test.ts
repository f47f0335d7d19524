import { createPublicKey } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import type { Algorithm } from "../../src/jws/algorithms.js";
import { costOf, tries } from "../../src/keys/cost.js";
import type { VerificationKey } from "../../src/keys/key.js";
import { Uses } from "../../src/keys/uses.js";
import { NAMES, pairOf } from "../jws/signing.js";

const KIB = 1024;

/** As many keys as a set may hold, of one kind. */
function keys(algorithm: Algorithm, key = pairOf(algorithm).publicKey, count = 100): VerificationKey[] {
  const one = { algorithm, kid: undefined, key, label: "", cost: costOf(algorithm, key), uses: new Uses() };
  return Array.from({ length: count }, () => one);
}
/** Keys with a modulus of so many bits, whoever has its factors. */
function rsa(bits: number, e = "AQAB"): VerificationKey[] {
  const n = Buffer.alloc(bits / 8, 0xff).toString("base64url");
  return keys("RS256", createPublicKey({ key: { kty: "RSA", n, e }, format: "jwk" }));
}

describe("how many keys one token is tried against", () => {
  it("every one that a set may hold, by the tokens that there are: of 16 KiB, and signed with what issuers sign with", () => {
    for (const algorithm of NAMES.filter((name) => name !== "ES384" && name !== "ES512")) {
      expect(tries(keys(algorithm), 16 * KIB), algorithm).to.equal(100);
    }
    expect(tries(rsa(4096), 16 * KIB)).to.equal(100);
  });

  it("as many of the slower ones as cost 25 ms", () => {
    expect(tries(keys("ES384"), 16 * KIB)).to.equal(18);
    expect(tries(keys("ES512"), 16 * KIB)).to.equal(9);
    expect(tries(rsa(4096, "_____w"), 16 * KIB)).to.be.within(50, 60);
  });

  it("of the longest token fewer, for each try reads it anew", () => {
    expect(tries(keys("HS256"), KIB ** 2)).to.equal(23);
    expect(tries(keys("RS256"), KIB ** 2)).to.equal(22);
    expect(tries(keys("EdDSA"), KIB ** 2)).to.equal(9);
    expect(tries(keys("ES512"), KIB ** 2)).to.equal(4);
  });

  it("of kinds that are mixed, up to the first that is one too many, whatever comes behind it", () => {
    const mixed = [...keys("ES256", undefined, 50), ...keys("ES512", undefined, 20), ...keys("ES256", undefined, 1)];
    expect(tries(mixed, KIB)).to.equal(56);
  });

  it("none where there is none", () => {
    expect(tries([], KIB)).to.equal(0);
  });

  it("at least one, never more than there are, and fewer the longer the token", () => {
    const cost = fc.double({ min: 0, max: 1e6, noNaN: true });
    const length = fc.nat(2 * KIB ** 2);
    fc.assert(
      fc.property(fc.array(cost, { minLength: 1, maxLength: 200 }), length, length, (costs, a, b) => {
        const [one] = keys("ES256", undefined, 1);
        const list = costs.map((cost) => ({ ...one!, cost }));
        const [short, long] = [Math.min(a, b), Math.max(a, b)];
        expect(tries(list, long)).to.be.within(1, list.length);
        expect(tries(list, short)).to.be.at.least(tries(list, long));
        const spent = costs.slice(0, tries(list, long)).reduce((sum, one) => sum + one, 0);
        if (tries(list, long) > 1) expect(spent).to.be.at.most(25_000);
      }),
    );
  });
});
