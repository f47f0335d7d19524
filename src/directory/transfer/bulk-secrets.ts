import { Secret } from "../../util/secret.js";
import { SealError } from "../errors.js";
import type { MasterKeys } from "../master-keys.js";
import { type Place, seal, unseal } from "../sealing.js";
import type { PutClientDigest } from "./import.js";

// An exported secret is sealed anew, for a place of its own: what stands in an export opens in no store's table, nor the
// other way round, nor in the line of another id.

const PREFIX = "sealed:";
const DIGEST_LENGTH = 32;

const ofInstance = (id: string): Place => ({ table: "export", row: ["instance", id], column: "secretKeys" });
const ofClient = (id: string): Place => ({ table: "export", row: ["client", id], column: "clientSecret" });

/** True for a text that is taken for a sealed value, never for a secret. */
export function isSealed(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** A secret key as an export has it. */
export function sealSecretKey(keys: MasterKeys, instanceId: string, secretKey: Secret): string {
  return PREFIX + seal(keys, secretKey, ofInstance(instanceId));
}

/** Opens what {@link sealSecretKey} made for this instance. @throws SealError */
export function openSecretKey(keys: MasterKeys, instanceId: string, text: string): Secret {
  return open(keys, text, ofInstance(instanceId));
}

/** A client's digest as an export has it: the store knows no more of its secret. */
export function sealClientDigest(keys: MasterKeys, { clientId, keyId, secretDigest }: PutClientDigest): string {
  const digest = new Secret(`${keyId}.${Buffer.from(secretDigest).toString("base64url")}`);
  return PREFIX + seal(keys, digest, ofClient(clientId));
}

/** Opens what {@link sealClientDigest} made for this client. @throws SealError */
export function openClientDigest(keys: MasterKeys, clientId: string, text: string): PutClientDigest {
  const [keyId = "", digest = ""] = open(keys, text, ofClient(clientId)).reveal().split(".");
  const secretDigest = Buffer.from(digest, "base64url");
  if (!keys.byId.has(keyId)) throw new SealError(keyId, unknownKey(keyId));
  if (secretDigest.length !== DIGEST_LENGTH) throw new SealError(keyId, DAMAGED);
  return { kind: "putClientDigest", clientId, keyId, secretDigest };
}

function open(keys: MasterKeys, text: string, place: Place): Secret {
  try {
    return unseal(keys, text.slice(PREFIX.length), place);
  } catch (error) {
    // Its own words are about a store, and say how to mend one.
    if (!(error instanceof SealError)) throw error;
    const { keyId } = error;
    const isUnknown = keyId !== undefined && !keys.byId.has(keyId);
    throw new SealError(keyId, isUnknown ? unknownKey(keyId) : DAMAGED);
  }
}

const DAMAGED =
  "a sealed value does not open there: it was altered, or sealed for another id. Export it anew, or give the secret.";

function unknownKey(keyId: string): string {
  // What stands there comes from the file: only what looks like an id is repeated.
  const name = /^[0-9a-f]{16}$/.test(keyId) ? `the master key ${keyId}` : "a master key";
  return `a value is sealed under ${name}, which is not configured. Add that key to masterKeys, or give the secret.`;
}
