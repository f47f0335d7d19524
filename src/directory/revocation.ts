import { hash } from "node:crypto";

/**
 * What a revocation selects tokens by, within a realm:
 *
 * - `jti`: the token's `jti` (RFC 7519, section 4.1.7).
 * - `digest`: the SHA-256 of its header and payload, in base64url, for a token without a `jti`.
 * - `subject`: the text of the claim that names its user.
 * - `session`: its `sid` (OpenID Connect Front-Channel Logout 1.0, section 3).
 * - `client`: its `client_id` (RFC 9068, section 2.2), else its `azp`.
 * - `instance`: the instance whose secret key signed it.
 * - `key`: the `kid` or the RFC 7638 thumbprint of the key that verified it, whatever its header says.
 * - `all`: every token of the realm.
 */
export const SELECTOR_KINDS = ["jti", "digest", "subject", "session", "client", "instance", "key", "all"] as const;

/** A kind of {@link SELECTOR_KINDS}. */
export type SelectorKind = (typeof SELECTOR_KINDS)[number];

/** The kinds that select one token, or the tokens of one key: a revocation by them has no time and refuses every such token. */
export const TIMELESS_KINDS: ReadonlySet<SelectorKind> = new Set(["jti", "digest", "key"]);

/** Selects tokens of one realm, which has keys of its own. */
export interface Selector {
  readonly realm: string;
  readonly kind: SelectorKind;
  /** What {@link SELECTOR_KINDS} says, a number by its digits as written; empty for `all`. */
  readonly value: string;
  /** Selects only tokens that this instance's secret keys signed; absent for all instances, and in realms without instances. */
  readonly instance?: string | undefined;
  /** Selects only tokens with this `iss`, empty for those without one; absent for all issuers of the realm. */
  readonly issuer?: string | undefined;
}

/** Tokens that are refused although they verify. */
export interface Revocation {
  readonly selector: Selector;
  /**
   * Whole seconds since 1970: tokens whose `iat` is missing or not later are refused. Null refuses every selected token: a
   * selector of {@link TIMELESS_KINDS}, or a ban.
   */
  readonly issuedBefore: number | null;
  /** The `exp` of the one token that a `jti` or `digest` selects, in whole seconds since 1970; null if it is not known. */
  readonly exp: number | null;
}

/** Bytes of a {@link revocationKey}. */
export const REVOCATION_KEY_BYTES = 12;

/**
 * The key of a selector: the first 12 bytes of the SHA-256 of `[kind, realm, instance, issuer, value]` as JSON, with null for
 * an absent instance or issuer. It identifies the revocation in the store and in memory.
 */
export function revocationKey({ kind, realm, instance, issuer, value }: Selector): Buffer {
  return hash("sha256", JSON.stringify([kind, realm, instance ?? null, issuer ?? null, value]), "buffer").subarray(
    0,
    REVOCATION_KEY_BYTES,
  );
}
