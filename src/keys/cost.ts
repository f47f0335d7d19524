import type { KeyObject } from "node:crypto";
import { ALGORITHMS, type Algorithm } from "../jws/algorithms.js";
import type { VerificationKey } from "./key.js";

// What it costs to try a key on a token that it did not sign: anybody can send such tokens. In microseconds of CPU, as
// `npm run bench -- largest` measures them, rounded up.

/** What all tries on one token may cost together: garbage shall not cost 50 ms, and to read a long one takes some of these. */
const MOST = 25_000;

/** A key of 2048 bits with the exponent 65537 takes 58 in all. */
function rsaCost({ asymmetricKeyDetails: { modulusLength = 0, publicExponent = 0n } = {} }: KeyObject): number {
  const bits = publicExponent.toString(2);
  // Each bit of the exponent is a squaring, and each that is set a multiplication; 65537 has 16 and one.
  const multiplications = bits.length - 1 + bits.replaceAll("0", "").length - 1;
  return 30 + 28 * (modulusLength / 2048) ** 2 * (multiplications / 17);
}

const CURVES: Readonly<Record<string, number>> = { prime256v1: 150, secp384r1: 1300, secp521r1: 2600 };

const COSTS: Readonly<Record<(typeof ALGORITHMS)[Algorithm]["keyType"], (key: KeyObject) => number>> = {
  secret: () => 10,
  rsa: rsaCost,
  ec: ({ asymmetricKeyDetails }) => CURVES[asymmetricKeyDetails?.namedCurve ?? ""] ?? MOST,
  ed25519: () => 200,
};

/** What a try of a key costs but for the token's length: microseconds. */
export function costOf(algorithm: Algorithm, key: KeyObject): number {
  return COSTS[ALGORITHMS[algorithm].keyType](key);
}

/** What is hashed, for each key anew: microseconds for a character. */
function hashing(algorithm: Algorithm): number {
  return ALGORITHMS[algorithm].hash === "sha256" ? 0.001 : 0.0024;
}

/**
 * How many of these keys are tried on a token, from the first: as many as cost 25 ms together, and one at least.
 *
 * Of a token of 16 KiB that is 9 keys on P-521, 18 on P-384, and of HMAC, RSA of up to 4096 bits, P-256 and Ed25519 as many as
 * a set may hold; of a token of 1 MiB, 4 and more.
 *
 * @param length characters of what was signed
 */
export function tries(keys: readonly VerificationKey[], length: number): number {
  let left = MOST;
  const count = keys.findIndex(({ algorithm, cost }, index) => {
    left -= cost + hashing(algorithm) * length;
    return left < 0 && index > 0;
  });
  return count < 0 ? keys.length : count;
}
