import { createSecretKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { CompactSign, compactVerify } from "jose";
import { ALGORITHMS, type Algorithm, unavailable } from "../../src/jws/algorithms.js";

/** A public and a private key; for an HMAC both are the secret. */
export interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** All algorithms that the running Node has, in the order of the table. */
export const NAMES = (Object.keys(ALGORITHMS) as Algorithm[]).filter((name) => unavailable(name) === undefined);

const CURVES: Readonly<Record<string, string>> = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };

/** Makes a new pair for an algorithm. */
export function newPair(algorithm: Algorithm): Pair {
  const namedCurve = CURVES[algorithm];
  if (namedCurve !== undefined) return generateKeyPairSync("ec", { namedCurve });
  if (algorithm === "EdDSA") return generateKeyPairSync("ed25519");
  // @types/node describes Node 22, which does not have these.
  if (algorithm.startsWith("ML-DSA")) return generateKeyPairSync(algorithm.toLowerCase() as "ed25519");
  if (!algorithm.startsWith("HS")) return generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = createSecretKey(Buffer.alloc(64, `secret of ${algorithm} `));
  return { publicKey: key, privateKey: key };
}

// RSA keys are slow to make, so that all test files share the pairs, which nothing changes.
const pairs = new Map<Algorithm, Pair>();

/** Returns the shared pair for an algorithm. */
export function pairOf(algorithm: Algorithm): Pair {
  const pair = pairs.get(algorithm) ?? newPair(algorithm);
  pairs.set(algorithm, pair);
  return pair;
}

/** Returns a compact JWS that jose signed. */
export function signedByJose(algorithm: Algorithm, payload: string, header: object = {}): Promise<string> {
  const protectedHeader = { ...header, alg: algorithm };
  return new CompactSign(Buffer.from(payload)).setProtectedHeader(protectedHeader).sign(pairOf(algorithm).privateKey);
}

/** Returns whether jose verifies a token. */
export async function joseVerifies(token: string, algorithm: Algorithm, key: KeyObject): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] });
    return true;
  } catch {
    return false;
  }
}

/** Splits a compact JWS into its signing input and signature. */
export function parts(token: string): { input: string; signature: Buffer } {
  const dot = token.lastIndexOf(".");
  return { input: token.slice(0, dot), signature: Buffer.from(token.slice(dot + 1), "base64url") };
}

/** Reads a big-endian integer. */
export function toInteger(bytes: Buffer): bigint {
  return BigInt(`0x0${bytes.toString("hex")}`);
}

/** Writes a big-endian integer in `width` bytes, cutting off high bytes that do not fit. */
export function toBytes(integer: bigint, width: number): Buffer {
  return Buffer.from(
    BigInt.asUintN(8 * width, integer)
      .toString(16)
      .padStart(2 * width, "0"),
    "hex",
  );
}
