import { constants, createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from "node:crypto";

/** What an algorithm fixes, so that neither a token nor a key chooses any of it. */
export interface AlgorithmRow {
  /** node:crypto's name of the hash; null if the algorithm has its own (EdDSA, ML-DSA). */
  readonly hash: string | null;
  /** node:crypto's type of the keys. An RSA key that is typed as RSA-PSS has another type and fits no algorithm. */
  readonly keyType: "secret" | "rsa" | "ec" | "ed25519" | "ml-dsa-44" | "ml-dsa-65" | "ml-dsa-87";
  /** OpenSSL's name of the curve; only for EC keys. */
  readonly curve?: string;
  /** Length of every signature in bytes; absent for RSA, where it is the length of the modulus. */
  readonly signatureBytes?: number;
  /** Minimum length of a secret in bytes: that of the hash (RFC 7518 section 3.2). */
  readonly minSecretBytes?: number;
  /** node:crypto's padding options; only for RSASSA-PSS. */
  readonly pss?: { readonly padding: number; readonly saltLength: number };
  /** Length in bytes of a key's `pub` in a JWK whose `kty` is AKP; absent for other kinds of keys (RFC 9964, section 3). */
  readonly akpBytes?: number;
}

/** RFC 7518 section 3.2. */
function hmac(hash: string, bytes: number): AlgorithmRow {
  return { hash, keyType: "secret", signatureBytes: bytes, minSecretBytes: bytes };
}

/** RSASSA-PKCS1-v1_5, node:crypto's default padding for these keys (RFC 7518 section 3.3). */
function pkcs1(hash: string): AlgorithmRow {
  return { hash, keyType: "rsa" };
}

/** RSASSA-PSS, RFC 7518 section 3.5. The salt is as long as the hash; without a length a salt of 0 bytes would verify. */
function pss(hash: string, bytes: number): AlgorithmRow {
  return { hash, keyType: "rsa", pss: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: bytes } };
}

/** RFC 7518 section 3.4: r and s one after the other, each as wide as the curve's order. */
function ecdsa(hash: string, curve: string, width: number): AlgorithmRow {
  return { hash, keyType: "ec", curve, signatureBytes: 2 * width };
}

/** RFC 9964 section 4: pure ML-DSA with an empty context. Sizes are those of FIPS 204, table 2. */
function mlDsa(
  keyType: "ml-dsa-44" | "ml-dsa-65" | "ml-dsa-87",
  akpBytes: number,
  signatureBytes: number,
): AlgorithmRow {
  return { hash: null, keyType, akpBytes, signatureBytes };
}

/**
 * All supported algorithms, each by the one name that keys and messages have. `EdDSA` (RFC 8037 section 3.1) is Ed25519
 * only. ML-DSA needs a Node that has it: see {@link unavailable}.
 */
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
  EdDSA: { hash: null, keyType: "ed25519", signatureBytes: 64 } as AlgorithmRow,
  "ML-DSA-44": mlDsa("ml-dsa-44", 1312, 2420),
  "ML-DSA-65": mlDsa("ml-dsa-65", 1952, 3309),
  "ML-DSA-87": mlDsa("ml-dsa-87", 2592, 4627),
} as const satisfies Readonly<Record<string, AlgorithmRow>>;

/** An algorithm by its name in {@link ALGORITHMS}. */
export type Algorithm = keyof typeof ALGORITHMS;

/** Second names of algorithms. RFC 9864 section 2.2 renames EdDSA with an Ed25519 key. */
const ALIASES = { Ed25519: "EdDSA" } as const satisfies Readonly<Record<string, Algorithm>>;

/** A name of an algorithm in a header, a key or the configuration. */
export type AlgorithmName = Algorithm | keyof typeof ALIASES;

/** The algorithm of an exact name (RFC 7518 section 3.1, RFC 9864, RFC 9964); undefined for anything else. */
export function algorithmOf(name: unknown): Algorithm | undefined {
  if (typeof name !== "string") return undefined;
  if (Object.hasOwn(ALGORITHMS, name)) return name as Algorithm;
  return Object.hasOwn(ALIASES, name) ? ALIASES[name as keyof typeof ALIASES] : undefined;
}

/** All names of an algorithm, the one in {@link ALGORITHMS} first. */
export function namesOf(algorithm: Algorithm): readonly AlgorithmName[] {
  const aliases = Object.keys(ALIASES) as (keyof typeof ALIASES)[];
  return [algorithm, ...aliases.filter((alias) => ALIASES[alias] === algorithm)];
}

/** All algorithms. */
export const ALL_ALGORITHMS = Object.keys(ALGORITHMS) as readonly Algorithm[];

/** All names of all algorithms. */
export const ALGORITHM_NAMES: readonly AlgorithmName[] = ALL_ALGORITHMS.flatMap(namesOf);

/** Algorithms by all of their names, separated by commas, for messages. */
export function listAlgorithms(algorithms: Iterable<Algorithm>): string {
  return Array.from(algorithms).flatMap(namesOf).join(", ");
}

/** Whether this Node reads and verifies ML-DSA: from 24.7 on, where it is built with OpenSSL 3.5 or later. */
const HAS_ML_DSA = hasMlDsa();

function hasMlDsa(): boolean {
  const pub = Buffer.alloc(1312).toString("base64url");
  try {
    return createPublicKey({ key: { kty: "AKP", alg: "ML-DSA-44", pub }, format: "jwk" }).type === "public";
  } catch {
    return false;
  }
}

/** What the running Node lacks for an algorithm, as the end of a sentence that begins with its name; undefined if nothing. */
export function unavailable(algorithm: Algorithm): string | undefined {
  const { akpBytes }: AlgorithmRow = ALGORITHMS[algorithm];
  if (akpBytes === undefined || HAS_ML_DSA) return undefined;
  return `needs Node 24.7 or later with OpenSSL 3.5 or later; this is Node ${process.versions.node} with OpenSSL ${process.versions.openssl}`;
}

/** Whether a key has the type and curve of an algorithm; a private key never fits. Its strength is not checked. */
export function fitsAlgorithm(algorithm: Algorithm, key: KeyObject): boolean {
  return shapeOf(key).algorithms.has(algorithm);
}

/** What a key is good for. */
interface KeyShape {
  readonly algorithms: ReadonlySet<Algorithm>;
  /** Length of an RSA key's signatures in bytes. */
  readonly modulusBytes: number;
}

/** Shapes of keys, which are immutable: to ask Node costs 0.5 µs each time. */
const SHAPES = new WeakMap<KeyObject, KeyShape>();

function shapeOf(key: KeyObject): KeyShape {
  let shape = SHAPES.get(key);
  if (shape === undefined) {
    const { type, asymmetricKeyType, asymmetricKeyDetails } = key;
    const fits = ({ keyType, curve }: AlgorithmRow): boolean =>
      keyType === "secret"
        ? type === "secret"
        : type === "public" &&
          asymmetricKeyType === keyType &&
          (curve === undefined || asymmetricKeyDetails?.namedCurve === curve);
    shape = {
      algorithms: new Set(ALL_ALGORITHMS.filter((algorithm) => fits(ALGORITHMS[algorithm]))),
      modulusBytes: Math.ceil((asymmetricKeyDetails?.modulusLength ?? 0) / 8),
    };
    SHAPES.set(key, shape);
  }
  return shape;
}

/**
 * Verifies the signature over the signing input (RFC 7515 section 5.2, step 8). It never throws for a signature.
 *
 * @param key its strength was checked when it was loaded
 * @param signingInput ASCII: the token up to its second dot
 * @param signature any bytes
 * @returns false also for a key that does not fit the algorithm, and for a signature of another length
 */
export function verifySignature(
  algorithm: Algorithm,
  key: KeyObject,
  signingInput: string,
  signature: Buffer,
): boolean {
  const { algorithms, modulusBytes } = shapeOf(key);
  if (!algorithms.has(algorithm)) return false;
  const { hash, keyType, curve, signatureBytes = modulusBytes, pss }: AlgorithmRow = ALGORITHMS[algorithm];
  if (signature.length !== signatureBytes) return false;
  if (keyType === "secret" && hash !== null) {
    return timingSafeEqual(createHmac(hash, key).update(signingInput, "latin1").digest(), signature);
  }
  const data = bytesOf(signingInput);
  // A key within options costs Node 24 up to 45 µs more than a bare key, so only RSASSA-PSS passes options.
  if (pss !== undefined) return verify(hash, data, { key, ...pss }, signature);
  return verify(hash, data, key, curve === undefined ? signature : derOf(signature));
}

/** Where signing inputs are written for a check, up to a length that few tokens exceed: a buffer for each costs more than 1 µs. */
const ROOM = Buffer.allocUnsafeSlow(16 * 1024);

/** The bytes of an ASCII text, until the next call. */
function bytesOf(text: string): Uint8Array {
  if (text.length > ROOM.length) return Buffer.from(text, "latin1");
  return new Uint8Array(ROOM.buffer, 0, ROOM.write(text, "latin1"));
}

const DER_INTEGER = 0x02;
const DER_SEQUENCE = 0x30;
/** From this length on a length in DER has a byte more, and a first byte of it a sign. */
const DER_HIGH_BIT = 0x80;

/** An ECDSA signature in DER, the form that node:crypto takes without options. @param signature r and s, equally wide */
function derOf(signature: Buffer): Buffer {
  const width = signature.length / 2;
  const r = firstByteOf(signature, 0, width);
  const s = firstByteOf(signature, width, 2 * width);
  const rPad = (signature[r] as number) >= DER_HIGH_BIT ? 1 : 0;
  const sPad = (signature[s] as number) >= DER_HIGH_BIT ? 1 : 0;
  const rLength = width - r + rPad;
  const sLength = 2 * width - s + sPad;
  const length = rLength + sLength + 4;
  const isLong = length >= DER_HIGH_BIT;
  const der = Buffer.alloc((isLong ? 3 : 2) + length);
  let at = 0;
  der[at++] = DER_SEQUENCE;
  if (isLong) der[at++] = 0x81;
  der[at++] = length;
  der[at++] = DER_INTEGER;
  der[at++] = rLength;
  at += rPad;
  at += signature.copy(der, at, r, width);
  der[at++] = DER_INTEGER;
  der[at++] = sLength;
  signature.copy(der, at + sPad, s);
  return der;
}

/** The index of the first byte of a number that DER writes: leading zeros are left out, but for the last byte. */
function firstByteOf(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end - 1 && bytes[at] === 0) at++;
  return at;
}
