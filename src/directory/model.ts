/** A user of an instance. */
export interface User {
  readonly instanceId: string;
  readonly id: string;
  readonly email: string | null;
  readonly name: string | null;
  readonly avatarUrl: string | null;
  readonly provider: string | null;
}

/** A token that is not to be accepted any more, and until when that must be remembered. */
export interface Revocation {
  /** By its `jti` among the tokens of one realm, or by the digest of its header and payload in any realm. */
  readonly token: RevokedToken;
  /** Seconds since 1970 from which the revocation no longer holds; null: it holds for good. */
  readonly until: number | null;
}

/**
 * How a revocation names its token: by its `jti` among the tokens of a realm, or by the digest that
 * {@link KnownDirectory.isRevoked} is asked with. Where instances sign their own tokens, each draws its own `jti`s: `realm`
 * is the realm's name, a `/` and the instance's id there.
 */
export type RevokedToken =
  | { readonly realm: string; readonly jti: string; readonly digest?: undefined }
  | { readonly digest: string; readonly realm?: undefined; readonly jti?: undefined };
