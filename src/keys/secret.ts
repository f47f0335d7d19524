import { createPublicKey, createSecretKey, X509Certificate } from "node:crypto";
import { ALGORITHMS, type Algorithm, type AlgorithmRow, listAlgorithms } from "../jws/algorithms.js";
import { chooseKid, type LoadOptions } from "./binding.js";
import { KeyError, KeyUses, type VerificationKey } from "./key.js";

/** Fewest bytes of a secret with `weak: true`, in the configuration. */
export const WEAK_SECRET_BYTES = 8;

/** How a secret is used. */
export interface SecretOptions {
  /** HS256, HS384 or HS512. */
  readonly algorithm: Algorithm;
  /** The `kid` that tokens name it by; undefined: it fits tokens of any `kid`. */
  readonly kid?: string | undefined;
  /** Minimum length in bytes, at least 1. Default: the length of the hash (RFC 7518, section 3.2). */
  readonly minBytes?: number | undefined;
}

/**
 * The one algorithm of a secret: the required one, or else the realm's only HMAC (RFC 8725, section 3.1).
 *
 * @param required the result of `requiredAlgorithm`
 * @throws KeyError if the realm has none (cause `set aside`), or several
 */
export function secretAlgorithm(
  required: Algorithm | undefined,
  { algorithms }: Pick<LoadOptions, "algorithms">,
): Algorithm {
  if (required !== undefined) return required;
  const fitting = algorithms.filter((name) => ALGORITHMS[name].minSecretBytes !== undefined);
  const [first, second] = fitting;
  if (first === undefined) {
    throw new KeyError(
      `a secret verifies HS256, HS384 or HS512, and this realm takes ${listAlgorithms(algorithms)}: give a public key`,
      "set aside",
    );
  }
  if (second === undefined) return first;
  throw new KeyError(`a secret is for one algorithm: set "alg" to one of ${fitting.join(", ")}`, "contradictory");
}

/**
 * Loads the secret of an HMAC algorithm.
 *
 * @param secret its bytes, or a text, of which the UTF-8 bytes are taken
 * @throws KeyError if it is too short, or is a key or a certificate in PEM, JWK or DER, plain or in base64 or hex: with
 *   a public key as the secret anyone could sign
 */
export function loadSecret(secret: string | Buffer, { algorithm, kid, minBytes }: SecretOptions): VerificationKey {
  const { minSecretBytes }: AlgorithmRow = ALGORITHMS[algorithm];
  if (minSecretBytes === undefined) {
    throw new KeyError(
      `${algorithm} takes a public key, not a secret: give "pem" or "jwk", or set "alg" to HS256`,
      "contradictory",
    );
  }
  const bytes = Buffer.from(secret);
  refusePublicText(bytes);
  const least = Math.max(1, minBytes ?? minSecretBytes);
  if (bytes.length < least) {
    const fix = `try openssl rand -base64 ${minSecretBytes}`;
    const choice = minBytes === undefined && bytes.length >= WEAK_SECRET_BYTES;
    throw new KeyError(
      `the secret has ${bytes.length} bytes, ${algorithm} needs at least ${least}: ${fix}` +
        (choice ? `, or add weak: true beside "secret" if another party chose it` : ""),
      "weak",
    );
  }
  const key = createSecretKey(bytes);
  return { algorithm, kid: chooseKid(kid), key, label: `secret of ${bytes.length} bytes`, uses: new KeyUses() };
}

/** Refuses the text of a key that is, or may be, public. */
function refusePublicText(secret: Buffer): void {
  for (const bytes of [secret, ...decoded(secret.toString("latin1"))]) {
    if (bytes.includes("-----BEGIN")) {
      throw new KeyError('the secret is the text of a PEM file: give a public key as "pem" or "pemFile"', "weak");
    }
    if (/^[\s\ufeff[]*\{.*"kty"/s.test(bytes.toString("utf8"))) {
      throw new KeyError('the secret is the text of a JWK: give it as "jwk"', "weak");
    }
    const kind = derKind(bytes);
    if (kind !== undefined)
      throw new KeyError(`the secret is a ${kind} in DER: give it as "pem", with its algorithm`, "weak");
  }
}

/** The bytes that a text encodes, in hex and in base64 if it may be either; quotes that a shell left around it do not count. */
function decoded(text: string): Buffer[] {
  const bare = text.replace(/[\s"']+/g, "");
  return [
    ...(/^([0-9a-f]{2})+$/i.test(bare) ? [Buffer.from(bare, "hex")] : []),
    ...(/^[\w+/-]+={0,2}$/.test(bare) ? [Buffer.from(bare, "base64")] : []),
  ];
}

/** Readers of what is public, each with its kind in words. */
const PUBLIC_DER: readonly (readonly [kind: string, read: (der: Buffer) => unknown])[] = [
  ["public key", (key) => createPublicKey({ key, format: "der", type: "spki" })],
  ["public key", (key) => createPublicKey({ key, format: "der", type: "pkcs1" })],
  ["certificate", (der) => new X509Certificate(der)],
];

/** What public thing in DER the bytes are, in words; undefined if they are none. */
function derKind(bytes: Buffer): string | undefined {
  // All of it begins with a SEQUENCE; this spares nearly all secrets a run of OpenSSL's parser.
  if (bytes[0] !== 0x30) return undefined;
  return PUBLIC_DER.find(([, read]) => {
    try {
      read(bytes);
      return true;
    } catch {
      return false;
    }
  })?.[0];
}
