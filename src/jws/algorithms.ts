import { constants, createHmac, type KeyObject, timingSafeEqual, verify } from "node:crypto";

/** What an algorithm fixes, so that neither a token nor a key chooses anything. */
export interface AlgorithmRow {
  /** node:crypto's name of the hash; null where the algorithm has its own (EdDSA). */
  readonly hash: string | null;
  /** node:crypto's type of the keys; an RSA key that is typed as RSA-PSS is of another type and fits nothing. */
  readonly keyType: "secret" | "rsa" | "ec" | "ed25519";
  /** OpenSSL's name of the curve, for EC keys. */
  readonly curve?: string;
  /** Length of every signature in bytes; absent for RSA, whose signatures are as long as the modulus. */
  readonly signatureBytes?: number;
  /** Least length of a secret in bytes: that of the hash (RFC 7518 section 3.2). */
  readonly minSecretBytes?: number;
  /** How node:crypto is to take the signature. */
  readonly options: {
    readonly padding?: number;
    readonly saltLength?: number;
    readonly dsaEncoding?: "ieee-p1363";
  };
}

/** RFC 7518 section 3.2. */
function hmac(hash: string, bytes: number): AlgorithmRow {
  return { hash, keyType: "secret", signatureBytes: bytes, minSecretBytes: bytes, options: {} };
}

/** RSASSA-PKCS1-v1_5, RFC 7518 section 3.3. */
function pkcs1(hash: string): AlgorithmRow {
  return { hash, keyType: "rsa", options: { padding: constants.RSA_PKCS1_PADDING } };
}

/** RSASSA-PSS, RFC 7518 section 3.5. The salt is as long as the hash; left open, a salt of 0 bytes would verify. */
function pss(hash: string, bytes: number): AlgorithmRow {
  return { hash, keyType: "rsa", options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: bytes } };
}

/** RFC 7518 section 3.4: r and s side by side, each as wide as the curve's order. */
function ecdsa(hash: string, curve: string, width: number): AlgorithmRow {
  return { hash, keyType: "ec", curve, signatureBytes: 2 * width, options: { dsaEncoding: "ieee-p1363" } };
}

/** All algorithms there are. `EdDSA` (RFC 8037 section 3.1) is Ed25519 alone. */
export const ALGORITHMS = {
  HS256: hmac("sha256", 32),
  HS384: hmac("sha384", 48),
  HS512: hmac("sha512", 64),
  RS256: pkcs1("sha256"),
  RS384: pkcs1("sha384"),
  RS512: pkcs1("sha512"),
  PS256: pss("sha256", 32),
  PS384: pss("sha384", 48),
  PS512: pss("sha512", 64),
  ES256: ecdsa("sha256", "prime256v1", 32),
  ES384: ecdsa("sha384", "secp384r1", 48),
  ES512: ecdsa("sha512", "secp521r1", 66),
  EdDSA: { hash: null, keyType: "ed25519", signatureBytes: 64, options: {} } as AlgorithmRow,
} as const satisfies Readonly<Record<string, AlgorithmRow>>;

/** The name of an algorithm, as it stands in a header's `alg` (RFC 7518 section 3.1). */
export type Algorithm = keyof typeof ALGORITHMS;

/** Whether this is the exact name of one of {@link ALGORITHMS}. */
export function isAlgorithm(name: unknown): name is Algorithm {
  return typeof name === "string" && Object.hasOwn(ALGORITHMS, name);
}

/** Whether a key is of the type and curve that an algorithm takes; a private one never is. Looks at no strength. */
export function fitsAlgorithm(algorithm: Algorithm, key: KeyObject): boolean {
  const { keyType, curve }: AlgorithmRow = ALGORITHMS[algorithm];
  if (keyType === "secret") return key.type === "secret";
  if (key.type !== "public" || key.asymmetricKeyType !== keyType) return false;
  return curve === undefined || key.asymmetricKeyDetails?.namedCurve === curve;
}

/**
 * Whether the signature over the signing input is right (RFC 7515 section 5.2, step 8).
 *
 * @param key false is the answer where it does not fit the algorithm; whether it is strong enough was settled at load
 * @param signingInput ASCII: the token up to its second dot
 * @param signature any bytes; never throws because of them
 */
export function verifySignature(
  algorithm: Algorithm,
  key: KeyObject,
  signingInput: string,
  signature: Buffer,
): boolean {
  if (!fitsAlgorithm(algorithm, key)) return false;
  const { hash, keyType, signatureBytes, options }: AlgorithmRow = ALGORITHMS[algorithm];
  if (signature.length !== (signatureBytes ?? modulusBytes(key))) return false;
  if (keyType === "secret" && hash !== null) {
    return timingSafeEqual(createHmac(hash, key).update(signingInput).digest(), signature);
  }
  return verify(hash, Buffer.from(signingInput, "latin1"), { key, ...options }, signature);
}

function modulusBytes(key: KeyObject): number {
  return Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
}
