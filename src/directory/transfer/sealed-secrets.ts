import { createSecretKey } from "node:crypto";
import { Secret } from "../../util/secret.js";
import { SealError } from "../errors.js";
import type { MasterKeys } from "../master-keys.js";
import type { StoredSecretKey } from "../model.js";
import { type NamedKey, type Place, type SealingKeys, seal, unseal } from "../sealing.js";
import type { ClientDigest } from "./import.js";

// An export seals its secrets under the master key, for places of their own: a value of an export opens in no table of a
// store, a value of a store opens in no export, and neither opens in the line of another id. The end of a secret's grace is
// sealed with it.

const PREFIX = "sealed:";
const DIGEST_LENGTH = 32;

const instancePlace = (id: string): Place => ({ table: "export", row: ["instance", id], column: "secretKeys" });
const clientPlace = (id: string): Place => ({ table: "export", row: ["client", id], column: "clientSecret" });
const lookupPlace = (storeId: string, keyId: string): Place => ({
  table: "export",
  row: ["store", storeId, keyId],
  column: "lookupKeys",
});

const sealing = new WeakMap<MasterKeys, SealingKeys>();

/** The keys that the values of exports are sealed under: the master keys'. */
function sealingKeys(keys: MasterKeys): SealingKeys {
  let made = sealing.get(keys);
  if (made === undefined) {
    const named = keys.all.map(({ id, sealKey }) => ({ id, key: sealKey }));
    made = { current: { id: keys.current.id, key: keys.current.sealKey }, byId: new Map(named.map((k) => [k.id, k])) };
    sealing.set(keys, made);
  }
  return made;
}

/** True for a text that an import reads as a sealed value, not as a secret. */
export function isSealed(text: string): boolean {
  return text.startsWith(PREFIX);
}

// No secret contains a control character.
const TIME_END = "\0";

/** Seals a secret key of an instance for an export. */
export function sealSecretKey(keys: MasterKeys, instanceId: string, { secret, retiresAt }: StoredSecretKey): string {
  const text = retiresAt === null ? secret : new Secret(`${retiresAt}${TIME_END}${secret.reveal()}`);
  return PREFIX + seal(sealingKeys(keys), text, instancePlace(instanceId));
}

/** Opens a value of {@link sealSecretKey} for the same instance. @throws SealError */
export function openSecretKey(keys: MasterKeys, instanceId: string, text: string): StoredSecretKey {
  const opened = open(keys, text, instancePlace(instanceId));
  const [time = "", secret] = opened.reveal().split(TIME_END);
  return secret === undefined
    ? { secret: opened, retiresAt: null }
    : { secret: new Secret(secret), retiresAt: Number(time) };
}

/** Seals the digests of a client's secrets for an export; the store does not have the secrets themselves. */
export function sealClientDigests(keys: MasterKeys, clientId: string, secrets: readonly ClientDigest[]): string {
  const texts = secrets.map(({ key, digest, retiresAt }) =>
    [key.id, Buffer.from(digest).toString("base64url"), ...(retiresAt === null ? [] : [retiresAt])].join("."),
  );
  return PREFIX + seal(sealingKeys(keys), new Secret(texts.join(" ")), clientPlace(clientId));
}

/**
 * Opens a value of {@link sealClientDigests} for the same client.
 *
 * @param lookupKeys of the export, by id
 * @throws SealError
 */
export function openClientDigests(
  keys: MasterKeys,
  lookupKeys: ReadonlyMap<string, NamedKey>,
  clientId: string,
  text: string,
): readonly ClientDigest[] {
  const opened = open(keys, text, clientPlace(clientId)).reveal();
  return opened.split(" ").map((one) => {
    const [keyId = "", digestText = "", retiresAt] = one.split(".");
    const digest = Buffer.from(digestText, "base64url");
    const key = lookupKeys.get(keyId) ?? earlierLookupKey(keys, keyId);
    if (key === undefined) throw new SealError(keyId, NO_LOOKUP_KEY);
    if (digest.length !== DIGEST_LENGTH) throw new SealError(keyId, DAMAGED);
    return { key, digest, retiresAt: retiresAt === undefined ? null : Number(retiresAt) };
  });
}

/** An export of an earlier version names a master key, which then made the digests itself: see sqlite/migrations.ts. */
function earlierLookupKey(keys: MasterKeys, masterId: string): NamedKey | undefined {
  const master = keys.byId.get(masterId);
  return master && { id: `l${masterId}`, key: master.lookupKey };
}

/** Seals a look-up key of a store for its export. */
export function sealLookupKey(keys: MasterKeys, storeId: string, { id, key }: NamedKey): string {
  const text = new Secret(key.export().toString("base64"));
  return PREFIX + seal(sealingKeys(keys), text, lookupPlace(storeId, id));
}

/** Opens a value of {@link sealLookupKey}. @throws SealError */
export function openLookupKey(keys: MasterKeys, storeId: string, id: string, text: string): NamedKey {
  const opened = open(keys, text, lookupPlace(storeId, id));
  return { id, key: createSecretKey(Buffer.from(opened.reveal(), "base64")) };
}

function open(keys: MasterKeys, text: string, place: Place): Secret {
  try {
    return unseal(sealingKeys(keys), text.slice(PREFIX.length), place);
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

const NO_LOOKUP_KEY =
  "the digest of a client's secret needs a look-up key that the lines before it do not have. Keep the first line of the export, or give the secret";

function unknownKey(keyId: string): string {
  // The id comes from the file, so it is repeated only if it looks like one.
  const name = /^[0-9a-f]{16}$/.test(keyId) ? `the master key ${keyId}` : "a master key";
  return `a value is sealed under ${name}, which is not configured. Add that key to masterKeys, or give the secret`;
}
