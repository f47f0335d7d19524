import { Secret } from "../../util/secret.js";
import { SealError } from "../errors.js";
import type { MasterKeys } from "../master-keys.js";
import { type Place, seal, unseal } from "../sealing.js";
import type { PutClientDigest } from "./import.js";

// An export seals its secrets for places of their own: a value of an export opens in no table of a store, a value of a
// store opens in no export, and neither opens in the line of another id.

const PREFIX = "sealed:";
const DIGEST_LENGTH = 32;

const instancePlace = (id: string): Place => ({ table: "export", row: ["instance", id], column: "secretKeys" });
const clientPlace = (id: string): Place => ({ table: "export", row: ["client", id], column: "clientSecret" });

/** True for a text that an import reads as a sealed value, not as a secret. */
export function isSealed(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** Seals a secret key of an instance for an export. */
export function sealSecretKey(keys: MasterKeys, instanceId: string, secretKey: Secret): string {
  return PREFIX + seal(keys, secretKey, instancePlace(instanceId));
}

/** Opens a value of {@link sealSecretKey} for the same instance. @throws SealError */
export function openSecretKey(keys: MasterKeys, instanceId: string, text: string): Secret {
  return open(keys, text, instancePlace(instanceId));
}

/** Seals the digest of a client's secret for an export; the store does not have the secret itself. */
export function sealClientDigest(keys: MasterKeys, { clientId, keyId, secretDigest }: PutClientDigest): string {
  const digest = new Secret(`${keyId}.${Buffer.from(secretDigest).toString("base64url")}`);
  return PREFIX + seal(keys, digest, clientPlace(clientId));
}

/** Opens a value of {@link sealClientDigest} for the same client. @throws SealError */
export function openClientDigest(keys: MasterKeys, clientId: string, text: string): PutClientDigest {
  const [keyId = "", digest = ""] = open(keys, text, clientPlace(clientId)).reveal().split(".");
  const secretDigest = Buffer.from(digest, "base64url");
  if (!keys.byId.has(keyId)) throw new SealError(keyId, unknownKey(keyId));
  if (secretDigest.length !== DIGEST_LENGTH) throw new SealError(keyId, DAMAGED);
  return { kind: "putClientDigest", clientId, keyId, secretDigest };
}

function open(keys: MasterKeys, text: string, place: Place): Secret {
  try {
    return unseal(keys, text.slice(PREFIX.length), place);
  } catch (error) {
    // The message of unseal is about restoring a store.
    if (!(error instanceof SealError)) throw error;
    const { keyId } = error;
    const isUnknown = keyId !== undefined && !keys.byId.has(keyId);
    throw new SealError(keyId, isUnknown ? unknownKey(keyId) : DAMAGED);
  }
}

const DAMAGED =
  "a sealed value does not open: it was altered, or sealed for another id. Export it again, or give the secret";

function unknownKey(keyId: string): string {
  // The id comes from the file, so it is repeated only if it looks like one.
  const name = /^[0-9a-f]{16}$/.test(keyId) ? `the master key ${keyId}` : "a master key";
  return `a value is sealed under ${name}, which is not configured. Add that key to masterKeys, or give the secret`;
}
