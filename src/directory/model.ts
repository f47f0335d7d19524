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
  /** Its active secret keys, at least one, in the order in which they were given. */
  readonly secretKeys: readonly Secret[];
}

/** A client as verification needs it: its secret stays in the directory as a keyed digest. */
export interface Client {
  readonly clientId: string;
}

/** A client as the store holds it. */
export interface ClientRecord extends Client {
  /** The id of the master key whose look-up key made the digest. */
  readonly keyId: string;
  /** The keyed digest of its secret, 32 bytes. */
  readonly secretDigest: Uint8Array;
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

/** A revoked token, and until when the revocation must be remembered. */
export interface Revocation {
  readonly token: RevokedToken;
  /** Seconds since 1970 from which the revocation no longer holds; null for a permanent one. */
  readonly until: number | null;
}

/**
 * The name of a revoked token: its `jti` within one scope, or the digest of its header and payload in any realm. A `jti`
 * is unique within its issuer (RFC 7519, section 4.1.7), so the scope in `realm` is the realm's name; where instances
 * sign their own tokens, it is that name, a `/` and the instance's id; in a realm of several issuers, the name, a `/` and
 * the issuer.
 */
export type RevokedToken =
  | { readonly realm: string; readonly jti: string; readonly digest?: undefined }
  | { readonly digest: string; readonly realm?: undefined; readonly jti?: undefined };

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
