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

/** What limits a selector to the tokens of one signer. */
export const SELECTOR_SCOPES = ["none", "instance", "issuer"] as const;

/** The position in {@link SELECTOR_SCOPES} of a selector's scope. */
export const scopeOf = ({ instance, issuer }: Pick<Selector, "instance" | "issuer">): number =>
  instance !== undefined ? 1 : issuer !== undefined ? 2 : 0;

/** Bytes of a {@link revocationKey}. */
export const REVOCATION_KEY_BYTES = 12;

/**
 * The key of a selector: the first 12 bytes of the SHA-256 of `[kind, realm, instance, issuer, value]` as JSON, with null for
 * an absent instance or issuer. It identifies the revocation in the store and in memory.
 */
export function revocationKey(selector: Selector): Buffer {
  return hash("sha256", textOf(selector), "buffer").subarray(0, REVOCATION_KEY_BYTES);
}

/** A {@link revocationKey} as three signed words of 32 bits, in network byte order: V8 keeps them without boxes. */
export interface KeyWords {
  readonly first: number;
  readonly second: number;
  readonly third: number;
}

/** The {@link revocationKey} of a selector as words. Takes a third of the time. */
export function revocationWords(selector: Selector): KeyWords {
  const digest = hash("sha256", textOf(selector), "binary");
  return { first: wordAt(digest, 0), second: wordAt(digest, 4), third: wordAt(digest, 8) };
}

const textOf = ({ kind, realm, instance, issuer, value }: Selector): string =>
  JSON.stringify([kind, realm, instance ?? null, issuer ?? null, value]);

const wordAt = (bytes: string, at: number): number =>
  (bytes.charCodeAt(at) << 24) |
  (bytes.charCodeAt(at + 1) << 16) |
  (bytes.charCodeAt(at + 2) << 8) |
  bytes.charCodeAt(at + 3);

/** What a realm's policy says about how long a token can be good. */
export interface TokenLifetimes {
  /** Seconds for which a token is accepted after its `exp`. */
  readonly clockTolerance: number;
  /** Most seconds from `iat` to `exp`; undefined if the realm sets no limit. */
  readonly maxLifetime?: number | undefined;
}

/** Seconds that a revocation outlives the tokens that it refuses, for a clock that is set. */
const SLACK = 60;

/**
 * Seconds from a revocation's own time (the `exp` of the token, or `issuedBefore`) until no token that it refuses can be
 * good any more; Infinity if that is not known, as for the tokens of a key.
 */
export function secondsToEnd(kind: SelectorKind, { clockTolerance, maxLifetime }: TokenLifetimes): number {
  if (kind === "jti" || kind === "digest") return clockTolerance + SLACK;
  if (kind === "key" || maxLifetime === undefined) return Number.POSITIVE_INFINITY;
  return maxLifetime + clockTolerance + SLACK;
}

/**
 * When a revocation ends by the policy of its realm, in seconds since 1970; Infinity for one that does not end. Nothing
 * depends on it but memory: a token past that end is refused as expired.
 */
export function endOfRevocation({ selector, issuedBefore, exp }: Revocation, policy: TokenLifetimes): number {
  const time = selector.kind === "jti" || selector.kind === "digest" ? exp : issuedBefore;
  return time === null ? Number.POSITIVE_INFINITY : time + secondsToEnd(selector.kind, policy);
}
