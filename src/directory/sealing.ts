import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { Secret } from "../util/secret.js";
import { SealError } from "./errors.js";
import type { MasterKey, MasterKeys } from "./master-keys.js";

const VERSION = "v1";
const CIPHER = "aes-256-gcm";
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

/** Where in the store a sealed value stands. It opens there and nowhere else. */
export interface Place {
  readonly table: string;
  /** What identifies the row. */
  readonly row: readonly string[];
  readonly column: string;
}

/**
 * Seals a text with AES-256-GCM under the current master key and a random nonce, bound to its place.
 *
 * @returns `v1.keyId.nonce.ciphertext.tag`, the last three in base64url
 */
export function seal({ current }: MasterKeys, text: Secret, place: Place): string {
  const nonce = randomBytes(NONCE_LENGTH);
  const cipher = createCipheriv(CIPHER, current.sealKey, nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(boundTo(current, place));
  const ciphertext = Buffer.concat([cipher.update(text.reveal(), "utf8"), cipher.final()]);
  const parts = [nonce, ciphertext, cipher.getAuthTag()].map((part) => part.toString("base64url"));
  return [VERSION, current.id, ...parts].join(".");
}

/**
 * Opens what was sealed for this very place.
 *
 * @throws SealError for a value sealed under a master key that is not at hand, damaged, or sealed for another place
 */
export function unseal(keys: MasterKeys, sealed: string, place: Place): Secret {
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
  const key = masterKeyOf(keys, keyId);
  const decipher = createDecipheriv(CIPHER, key.sealKey, nonce, { authTagLength: TAG_LENGTH });
  decipher.setAAD(boundTo(key, place));
  decipher.setAuthTag(tag);
  try {
    return new Secret(Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8"));
  } catch {
    throw new SealError(
      keyId,
      `A value in ${place.table}, sealed under the master key ${keyId}, does not open where it stands: it was altered or moved there. ${RESTORE}`,
    );
  }
}

const RESTORE = "Restore the store from a backup, or put the entry anew.";

/** Whether a sealed value names the current master key as its own. */
export function isCurrent({ current }: MasterKeys, sealed: string): boolean {
  return sealed.startsWith(`${VERSION}.${current.id}.`);
}

/** The master key of an id. @throws SealError where it is not at hand */
export function masterKeyOf(keys: MasterKeys, keyId: string): MasterKey {
  const key = keys.byId.get(keyId);
  if (key === undefined) {
    throw new SealError(
      keyId,
      `The store holds values under the master key ${keyId}, which is not configured (configured: ${[...keys.byId.keys()].join(", ")}). ` +
        "Add that key to masterKeys: after the current one if it is an old key, before it if it is to become the current one.",
    );
  }
  return key;
}

function boundTo({ id }: MasterKey, { table, row, column }: Place): Buffer {
  return Buffer.from(JSON.stringify([VERSION, id, table, row, column]));
}
