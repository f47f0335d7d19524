import { bitLength, hasCloseFactors, isPower, isRoca, smallFactor } from "./factors.js";
import { isPrime } from "./prime.js";

/** Shortest modulus taken, in bits (RFC 7518 section 3.3). */
const MIN_BITS = 2048;

/**
 * Longest modulus taken, in bits: twice what anybody issues tokens with. A check takes four times as long where it is
 * twice as long, and whoever sends garbage has it made for several keys.
 */
const MAX_BITS = 8_192;

/**
 * Longest exponent taken, in bits: what a word of 32 bits holds, which is all that many libraries have room for. NIST's
 * 256 bits are more than anybody uses (65537 is what keys have), and each bit makes every check longer.
 */
const MAX_EXPONENT_BITS = 32;

/**
 * What is wrong with an RSA public key, and what would be right; undefined where nothing is (NIST SP 800-89 section
 * 5.3.3: the modulus is composite, no power of a prime, and has no small factor).
 *
 * @param n the modulus @param e the public exponent
 */
export function rsaFault(n: bigint, e: bigint): string | undefined {
  const bits = bitLength(n);
  if (bits < MIN_BITS) return `the RSA key has ${bits} bits: make one of at least ${MIN_BITS}`;
  if (bits > MAX_BITS) return `the RSA key has ${bits} bits: make one of at most ${MAX_BITS}`;
  if (n % 2n === 0n) return "the RSA key's modulus is even, so it is none: export the key anew";
  if (e < 3n || e % 2n === 0n) return "the RSA key's exponent is even or less than 3: make a key with 65537";
  if (bitLength(e) > MAX_EXPONENT_BITS) {
    return `the RSA key's exponent has ${bitLength(e)} bits, more than ${MAX_EXPONENT_BITS}: make a key with 65537`;
  }
  if (isRoca(n)) return "the RSA key can be factored (ROCA, CVE-2017-15361): make a new one by other means";
  const factor = smallFactor(n);
  if (factor !== undefined) {
    return `the RSA key's modulus is divisible by ${factor}, so it can be factored: make a new key`;
  }
  if (hasCloseFactors(n)) {
    return "the RSA key's factors lie so close together that they can be found: make a new key";
  }
  if (isPower(n)) return "the RSA key's modulus is a power of a number, so it can be factored: make a new key";
  if (isPrime(n)) return "the RSA key's modulus is a prime, so anybody can sign: make a new key";
  return undefined;
}
