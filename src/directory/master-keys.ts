import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import type { Secret } from "../util/secret.js";
import { DirectoryError } from "./errors.js";

/** Bytes in a master key. */
const LENGTH = 32;

/** What is derived from one master key. The master key itself is kept nowhere. */
export interface MasterKey {
  /** 16 hex digits, derived from the key: tells keys apart and gives nothing of them away. */
  readonly id: string;
  /** Seals values (AES-256-GCM). */
  readonly sealKey: KeyObject;
  /** Makes the digests that secrets are found and checked by (HMAC-SHA-256). */
  readonly lookupKey: KeyObject;
}

/** The master keys in force. */
export interface MasterKeys {
  /** What new values are sealed and digested under. */
  readonly current: MasterKey;
  /** The current one first, then the previous ones, under which old values may still stand. */
  readonly all: readonly MasterKey[];
  /** The same, by id. */
  readonly byId: ReadonlyMap<string, MasterKey>;
}

/**
 * Reads master keys and derives from each, by HKDF-SHA-256, one key per purpose.
 *
 * @param texts each 32 bytes in padded base64 (`openssl rand -base64 32`); the current one first, then the previous ones
 * @throws DirectoryError `unusable`, naming the place in the list
 */
export function readMasterKeys(texts: readonly Secret[]): MasterKeys {
  const all = texts.map((text, index) => derive(decode(text, index)));
  const [current] = all;
  if (current === undefined) {
    throw new DirectoryError("unusable", `There is no master key. Make one with \`openssl rand -base64 ${LENGTH}\`.`);
  }
  const byId = new Map(all.map((key) => [key.id, key]));
  if (byId.size < all.length) {
    throw new DirectoryError("unusable", "A master key stands in the list twice. Leave one of the two out.");
  }
  return { current, all, byId };
}

function decode(text: Secret, index: number): Buffer {
  const bytes = Buffer.from(text.reveal(), "base64");
  // Node skips what is no base64: only a text that comes out again the same was all of it.
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
  };
}
