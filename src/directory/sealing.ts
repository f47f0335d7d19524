import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { Secret } from "../util/secret.js";
import { SealError } from "./errors.js";

// Secrets at rest: values that the service must read again are sealed, secrets that it only looks up are digested.

const VERSION = "v1";
const CIPHER = "aes-256-gcm";
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

/** A key and the id by which what was made under it names it. */
export interface NamedKey {
  /** 16 hex digits, which reveal nothing about the key. */
  readonly id: string;
  readonly key: KeyObject;
}

/** The keys that values are sealed under. */
export interface SealingKeys {
  /** The key that new values are sealed under. */
  readonly current: NamedKey;
  /** All keys that sealed values may be under, by id. */
  readonly byId: ReadonlyMap<string, NamedKey>;
}

/** The place of a sealed value in the store. The value opens in this place only. */
export interface Place {
  readonly table: string;
  /** The identity of the row. */
  readonly row: readonly string[];
  readonly column: string;
}

/**
 * Seals a text with AES-256-GCM under the current key and a random nonce, bound to its place.
 *
 * @returns `v1.keyId.nonce.ciphertext.tag`, the last three in base64url
 */
export function seal({ current }: SealingKeys, text: Secret, place: Place): string {
  const nonce = randomBytes(NONCE_LENGTH);
  const cipher = createCipheriv(CIPHER, current.key, nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(additionalData(current, place));
  const ciphertext = Buffer.concat([cipher.update(text.reveal(), "utf8"), cipher.final()]);
  const parts = [nonce, ciphertext, cipher.getAuthTag()].map((part) => part.toString("base64url"));
  return [VERSION, current.id, ...parts].join(".");
}

/**
 * Opens a value that was sealed for this place.
 *
 * @throws SealError for a value that is sealed under a key that is not among these, damaged, or sealed for another place
 */
export function unseal(keys: SealingKeys, sealed: string, place: Place): Secret {
  const [version, keyId, ...parts] = sealed.split(".");
  const [nonce, ciphertext, tag] = parts.map((part) => Buffer.from(part, "base64url"));
  if (
    version !== VERSION ||
    keyId === undefined ||
    parts.length !== 3 ||
    nonce?.length !== NONCE_LENGTH ||
    ciphertext === undefined ||
    tag?.length !== TAG_LENGTH
  ) {
    throw new SealError(undefined, `A sealed value in ${place.table} is not of the form ${VERSION}. ${RESTORE}`);
  }
  const key = keys.byId.get(keyId);
  if (key === undefined) {
    throw new SealError(keyId, `A value in ${place.table} is sealed under an unknown key. ${RESTORE}`);
  }
  const decipher = createDecipheriv(CIPHER, key.key, nonce, { authTagLength: TAG_LENGTH });
  decipher.setAAD(additionalData(key, place));
  decipher.setAuthTag(tag);
  try {
    return new Secret(Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8"));
  } catch {
    throw new SealError(
      keyId,
      `A value in ${place.table}, sealed under the key ${keyId}, does not open: it was altered, or moved from another row. ${RESTORE}`,
    );
  }
}

const RESTORE = "Restore the store from a backup, or put the entry again.";

/** True if a sealed value was sealed under the current key. */
export function isCurrent({ current }: SealingKeys, sealed: string): boolean {
  return sealed.startsWith(`${VERSION}.${current.id}.`);
}

function additionalData({ id }: NamedKey, { table, row, column }: Place): Buffer {
  return Buffer.from(JSON.stringify([VERSION, id, table, row, column]));
}

// The scope precedes the secret, so that a digest of one kind, or of one client, never equals another's. JSON contains no
// raw NUL, so no two pairs of scope and secret have the same text.
const SECRET_KEY_SCOPE = '["secret key"]\0';
const clientScope = (clientId: string): string => `${JSON.stringify(["client", clientId])}\0`;

/** The digest by which an instance's secret key is found: HMAC-SHA-256 under one look-up key. */
export function secretKeyDigest(key: NamedKey, secretKey: Secret): Buffer {
  return digest(key, SECRET_KEY_SCOPE, secretKey);
}

/** The digest by which a client's secret is checked: HMAC-SHA-256 over the id and the secret, different for each client. */
export function clientSecretDigest(key: NamedKey, clientId: string, clientSecret: Secret): Buffer {
  return digest(key, clientScope(clientId), clientSecret);
}

/** Compares digests in constant time. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function digest({ key }: NamedKey, scope: string, secret: Secret): Buffer {
  return createHmac("sha256", key)
    .update(scope + secret.reveal())
    .digest();
}
