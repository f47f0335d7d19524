import { generateKeyPairSync, generatePrimeSync } from "node:crypto";
import { expect } from "chai";
import { rsaFault } from "../../src/keys/weak-keys.js";
import { pairOf, toInteger } from "../jws/signing.js";

const modulusOf = (jwk: { n?: string }): bigint => toInteger(Buffer.from(jwk.n ?? "", "base64url"));
const N = modulusOf(pairOf("RS256").publicKey.export({ format: "jwk" }));

const faultOf = (n: bigint, e: bigint): string | undefined => rsaFault(n, e)?.message;

/** Returns the first number, from this one on in steps, that no number under 1000 divides. */
function withoutSmallFactors(start: bigint, step: bigint): bigint {
  let n = start;
  while (Array.from({ length: 998 }, (_, index) => BigInt(index + 2)).some((divisor) => n % divisor === 0n)) n += step;
  return n;
}

describe("rsaFault", () => {
  it("accepts keys that OpenSSL made, with the usual exponents", () => {
    for (const publicExponent of [3, 65537]) {
      const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent });
      expect(faultOf(modulusOf(publicKey.export({ format: "jwk" })), BigInt(publicExponent))).to.equal(undefined);
    }
  });

  it("accepts a modulus of 2048 to 8192 bits", () => {
    expect(faultOf(withoutSmallFactors(2n ** 2047n + 1n, 2n), 65537n)).to.equal(undefined);
    expect(faultOf(withoutSmallFactors(2n ** 8192n - 3n, -2n), 65537n)).to.equal(undefined);
    expect(faultOf(2n ** 2047n - 1n, 65537n)).to.equal("the RSA key has 2047 bits: make one of at least 2048");
    expect(faultOf(2n ** 8192n + 1n, 65537n)).to.equal("the RSA key has 8193 bits: make one of at most 8192");
    for (const n of [0n, 1n]) expect(faultOf(n, 3n)).to.include(`the RSA key has ${n} bits`);
  });

  it("refuses an even modulus", () => expect(faultOf(N + 1n, 65537n)).to.include("modulus is even"));

  it("refuses even exponents and those under 3", () => {
    for (const e of [0n, 1n, 2n, 4n, 65536n]) {
      expect(faultOf(N, e)).to.equal("the RSA key's exponent is even or less than 3: make a key with 65537");
    }
  });

  it("refuses exponents of more than 32 bits", () => {
    expect(faultOf(N, 2n ** 32n - 1n)).to.equal(undefined);
    expect(faultOf(N, 2n ** 32n + 1n)).to.equal(
      "the RSA key's exponent has 33 bits, more than 32: make a key with 65537",
    );
  });

  it("calls keys weak that anyone can sign with, and unsupported those that are only too large", () => {
    const causes = [
      rsaFault(2n ** 2047n - 1n, 65537n),
      rsaFault(N + 1n, 65537n),
      rsaFault(N, 1n),
      rsaFault(N * 3n, 65537n),
      rsaFault(2n ** 8192n + 1n, 65537n),
      rsaFault(N, 2n ** 32n + 1n),
    ].map((fault) => fault?.cause);
    expect(causes).to.deep.equal(["weak", "weak", "weak", "weak", "unsupported", "unsupported"]);
  });

  it("refuses keys with the fingerprint of ROCA", () => {
    // The product of the primes up to 167, as in the faulty library; its moduli are powers of 65537 modulo this product.
    const primes = Array.from({ length: 166 }, (_, n) => n + 2).filter((n) => {
      for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
      return true;
    });
    const product = primes.reduce((result, prime) => result * BigInt(prime), 1n);
    for (const exponent of [1n, 2n, 1000n, 65537n]) {
      let rest = 1n;
      for (let round = 0n; round < exponent; round++) rest = (rest * 65537n) % product;
      const n = (2n ** 2047n / product + 1n) * product + rest;
      expect(faultOf(n, 65537n)).to.equal(
        "the RSA key can be factored (ROCA, CVE-2017-15361): make a new one with other software",
      );
    }
  });

  it("refuses a modulus with a small factor", () => {
    for (const factor of [3n, 5n, 7n, 401n, 743n, 751n]) {
      expect(faultOf(N * factor, 65537n), `${factor}`).to.equal(
        `the RSA key's modulus is divisible by ${factor}, so it can be factored: make a new key`,
      );
    }
  });

  it("refuses a modulus whose factors are close together or equal", () => {
    const p = generatePrimeSync(1024, { bigint: true });
    const q = withoutSmallFactors(p + 2n, 2n);
    const far = withoutSmallFactors(p + 2n ** 514n, 2n);
    for (const n of [p * p, p * q, p * far]) {
      expect(faultOf(n, 65537n)).to.equal("the RSA key's factors are close together and can be found: make a new key");
    }
    expect(faultOf(p * (p + 2n ** 1000n), 65537n)).to.satisfy(
      (fault?: string) => fault === undefined || fault.includes("divisible by"),
    );
  });
});
