import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import type { Secret } from "../util/secret.js";
import { DirectoryError, SealError } from "./errors.js";

/** Bytes in a master key. */
const LENGTH = 32;

/** The keys derived from one master key. The master key itself is not kept. */
export interface MasterKey {
  /** 16 hex digits derived from the key, which identify it and reveal nothing about it. */
  readonly id: string;
  /** Seals values (AES-256-GCM). */
  readonly sealKey: KeyObject;
  /** Makes the digests by which secrets are found and checked (HMAC-SHA-256). */
  readonly lookupKey: KeyObject;
  /** Makes the nonces of DPoP proofs (HMAC-SHA-256). */
  readonly nonceKey: KeyObject;
}

/** The configured master keys. */
export interface MasterKeys {
  /** The key that new values are sealed and digested under. */
  readonly current: MasterKey;
  /** The current key first, then the previous ones, which older values may be under. */
  readonly all: readonly MasterKey[];
  /** The same keys by id. */
  readonly byId: ReadonlyMap<string, MasterKey>;
}

/**
 * Derives from each master key, by HKDF-SHA-256 (RFC 5869), one key per purpose.
 *
 * @param texts 32 bytes each in padded base64 (`openssl rand -base64 32`); the current key first, then the previous ones
 * @throws DirectoryError `unusable`, naming the place in the list
 */
export function deriveMasterKeys(texts: readonly Secret[]): MasterKeys {
  const all = texts.map((text, index) => derive(decode(text, index)));
  const [current] = all;
  if (current === undefined) {
    throw new DirectoryError("unusable", `There is no master key. Make one with \`openssl rand -base64 ${LENGTH}\`.`);
  }
  const byId = new Map(all.map((key) => [key.id, key]));
  if (byId.size < all.length) {
    throw new DirectoryError("unusable", "A master key is in the list twice. Remove one of the two.");
  }
  return { current, all, byId };
}

/** The configured master key with an id. @throws SealError if there is none */
export function masterKeyOf(keys: MasterKeys, keyId: string): MasterKey {
  const key = keys.byId.get(keyId);
  if (key === undefined) throw missingMasterKey(keys, [keyId]);
  return key;
}

/** The error of a store that opens under other master keys than the configured ones. @param needed any of them would do */
export function missingMasterKey(keys: MasterKeys, needed: readonly string[]): SealError {
  const [keyId] = needed;
  const those = needed.length === 1 ? `the master key ${keyId}` : `one of the master keys ${needed.join(", ")}`;
  return new SealError(
    keyId,
    `The store opens under ${those}, which is not configured (configured: ${[...keys.byId.keys()].join(", ")}). ` +
      "Add that key to masterKeys: after the current one if it is an old key, before it if it is to become the current one.",
  );
}

function decode(text: Secret, index: number): Buffer {
  const bytes = Buffer.from(text.reveal(), "base64");
  // Node skips characters that are not base64; encoding the bytes again shows whether it skipped any.
  if (bytes.length !== LENGTH || bytes.toString("base64") !== text.reveal()) {
    throw new DirectoryError(
      "unusable",
      `masterKeys[${index}] is not ${LENGTH} bytes in padded base64. Make one with \`openssl rand -base64 ${LENGTH}\`.`,
    );
  }
  return bytes;
}

function derive(master: Buffer): MasterKey {
  const purpose = (name: string, length: number): Buffer =>
    Buffer.from(hkdfSync("sha256", master, "", `token-verifier/v1/${name}`, length));
  return {
    id: purpose("id", 8).toString("hex"),
    sealKey: createSecretKey(purpose("seal", 32)),
    lookupKey: createSecretKey(purpose("lookup", 32)),
    nonceKey: createSecretKey(purpose("dpop-nonce", 32)),
  };
}
