import type { VerificationKey } from "../keys/key.js";
import type { VouchedSet } from "../keys/remote/keyring.js";
import type { Secret } from "../util/secret.js";

/** An instance as verification needs it. */
export interface Instance {
  readonly id: string;
  readonly appId: string;
  /** Its active secret keys as keys that verify its tokens, at least one; the same objects for as long as the secrets stay. */
  readonly keys: readonly VerificationKey[];
}

/** An instance as the store holds it, its secret keys opened. */
export interface InstanceRecord {
  readonly id: string;
  readonly appId: string;
  /** Its secret keys, at least one, the one that was given first before the others. */
  readonly secretKeys: readonly StoredSecretKey[];
}

/** When a secret ceases to count, in milliseconds since 1970 by the store's clock; null for one that stays. */
interface Retiring {
  readonly retiresAt: number | null;
}

/** A secret key of an instance as the store holds it. */
export interface StoredSecretKey extends Retiring {
  readonly secret: Secret;
}

/** A client as verification needs it: its secret stays in the directory as a keyed digest. */
export interface Client {
  readonly clientId: string;
}

/** A client as the store holds it. */
export interface ClientRecord extends Client {
  /** Its secrets, at least one. */
  readonly secrets: readonly StoredClientSecret[];
}

/** A secret of a client as the store holds it. */
export interface StoredClientSecret extends Retiring {
  /** The id of the look-up key that made the digest. */
  readonly keyId: string;
  /** The keyed digest of the secret, 32 bytes. */
  readonly digest: Uint8Array;
}

/** A user of an instance. */
export interface User {
  readonly instanceId: string;
  readonly id: string;
  readonly email: string | null;
  readonly name: string | null;
  readonly avatarUrl: string | null;
  readonly provider: string | null;
}

/** A key set that an issuer published, saved for the next start. */
export interface SavedKeySet extends VouchedSet {
  readonly realm: string;
  /** The URL that the set was fetched from, or the issuer whose metadata named that URL. */
  readonly location: string;
}

/** What identifies a saved key set. */
export type KeySetName = Pick<SavedKeySet, "realm" | "location">;

/** All saved key sets. */
export interface SavedKeySets {
  readonly sets: readonly SavedKeySet[];
  /** Sets that open under none of the configured master keys, or that were altered. */
  readonly unopened: readonly KeySetName[];
}
