import { createPublicKey, createSecretKey } from "node:crypto";
import { ALGORITHMS, type Algorithm, type AlgorithmRow } from "../jws/algorithms.js";
import { costOf } from "./cost.js";
import type { VerificationKey } from "./key.js";
import { KeyError } from "./key-error.js";
import { checkKid } from "./kid.js";
import { Uses } from "./uses.js";

/** What a secret is for. */
export interface SecretOptions {
  /** HS256, HS384 or HS512. */
  readonly algorithm: Algorithm;
  /** The `kid` that tokens name it by; undefined: it fits any token. */
  readonly kid?: string | undefined;
  /** Least length in bytes; the hash's length where it is left out (RFC 7518 section 3.2). Never under 1. */
  readonly minBytes?: number | undefined;
}

/**
 * Loads the secret of an HMAC algorithm.
 *
 * @param secret the bytes themselves, or a text that stands for its UTF-8 bytes
 * @throws KeyError where it is too short, or is the text or the DER of a key, in base64 or hex too: whoever verifies HMACs by something
 * public lets everybody sign
 */
export function loadSecret(secret: string | Buffer, { algorithm, kid, minBytes }: SecretOptions): VerificationKey {
  const { minSecretBytes }: AlgorithmRow = ALGORITHMS[algorithm];
  if (minSecretBytes === undefined) {
    throw new KeyError(`${algorithm} takes a public key, not a secret: give "pem" or "jwk", or set "alg" to HS256`);
  }
  checkKid(kid);
  const bytes = Buffer.from(secret);
  refusePublicText(bytes);
  const least = Math.max(1, minBytes ?? minSecretBytes);
  if (bytes.length < least) {
    throw new KeyError(
      `the secret has ${bytes.length} bytes, ${algorithm} needs at least ${least}: try openssl rand -base64 ${least}`,
    );
  }
  const key = createSecretKey(bytes);
  return {
    algorithm,
    kid,
    key,
    label: `secret of ${bytes.length} bytes`,
    cost: costOf(algorithm, key),
    uses: new Uses(),
  };
}

/** Refuses what is meant to be read by everybody, in base64 or hex as well. */
function refusePublicText(secret: Buffer): void {
  for (const bytes of [secret, ...decoded(secret.toString("latin1"))]) {
    if (bytes.includes("-----BEGIN")) {
      throw new KeyError('the secret is the text of a PEM file: give a public key as "pem" or "pemFile"');
    }
    if (/^[\s\ufeff[]*\{.*"kty"/s.test(bytes.toString("utf8"))) {
      throw new KeyError('the secret is the text of a JWK: give it as "jwk"');
    }
    if (isDer(bytes)) throw new KeyError('the secret is a public key in DER: give it as "pem", with its algorithm');
  }
}

/** What a text stands for, in each encoding that it may be of. */
function decoded(text: string): Buffer[] {
  const bare = text.replace(/\s+/g, "");
  return [
    ...(/^([0-9a-f]{2})+$/i.test(bare) ? [Buffer.from(bare, "hex")] : []),
    ...(/^[\w+/-]+={0,2}$/.test(bare) ? [Buffer.from(bare, "base64")] : []),
  ];
}

function isDer(bytes: Buffer): boolean {
  // A SEQUENCE comes first in every public key; a look at the byte saves OpenSSL's parser on nearly every secret.
  if (bytes[0] !== 0x30) return false;
  return (["spki", "pkcs1"] as const).some((type) => {
    try {
      return createPublicKey({ key: bytes, format: "der", type }).type === "public";
    } catch {
      return false;
    }
  });
}
