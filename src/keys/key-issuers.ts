import { type JsonObject, member } from "../jws/json.js";
import { type Issuer, Issuers, meansIssuer, publishedIssuer } from "./issuers.js";

// Keys that are for some issuers of their realm only (RFC 8725, section 3.8).

/** The issuers whose tokens a key verifies, if these are not all of its realm's. */
export interface KeyIssuers {
  /** Those of the key's entry in the configuration; undefined for all of the realm's. */
  readonly configured: Issuers | undefined;
  /** The `issuer` member of the published key; undefined if it has none. */
  readonly stated: Issuer | undefined;
}

/**
 * Whether a key may verify a token of these claims. Allocates nothing.
 *
 * @param ofRealm the realm's issuers; undefined if it checks none
 */
export function mayVerify(
  { configured, stated }: KeyIssuers,
  claims: JsonObject,
  ofRealm: Issuers | undefined,
): boolean {
  const issuers = configured ?? ofRealm;
  const found = issuers?.find(claims);
  if (issuers !== undefined && found === undefined) return false;
  if (stated === undefined) return true;
  const iss = member(claims, "iss");
  if (typeof iss !== "string") return false;
  return typeof stated === "string" ? iss === stated : meansIssuer(stated, found ?? iss);
}

const statedText = (issuers: KeyIssuers | undefined): string | undefined =>
  typeof issuers?.stated === "object" ? issuers.stated.text : issuers?.stated;

/** The issuers that a key is for, as messages name them. */
export function listIssuers(issuers: KeyIssuers): readonly string[] {
  const own = statedText(issuers);
  return own === undefined ? (issuers.configured?.texts ?? []) : [own];
}

/** What of a key says which issuers it is for. */
export interface ForIssuers {
  /** The issuers whose tokens it verifies; undefined: all that its realm admits. */
  readonly issuers?: KeyIssuers | undefined;
  /** True if its JWK has an `issuer` member that is no text, which is ignored. */
  readonly ignoresIssuer?: true;
}

/**
 * The keys of an entry of the configuration, for its issuers alone if it names any. What a published key says of its issuer
 * still holds.
 *
 * @param issuers undefined for all of the realm's
 */
export function forIssuers<Key extends ForIssuers>(
  keys: readonly Key[],
  issuers: readonly string[] | undefined,
): readonly Key[] {
  if (issuers === undefined) return keys;
  const configured = new Issuers(issuers);
  return keys.map((key) => ({ ...key, issuers: { configured, stated: key.issuers?.stated } }));
}

/** The same key, for the issuer alone that the `issuer` member of its JWK names, as Entra writes it; null counts as absent. */
export function forStatedIssuer<Key extends ForIssuers>(key: Key, jwk: JsonObject): Key {
  const issuer = member(jwk, "issuer") ?? undefined;
  if (issuer === undefined) return key;
  if (typeof issuer !== "string") return { ...key, ignoresIssuer: true };
  return { ...key, issuers: { configured: undefined, stated: publishedIssuer(issuer) } };
}

/** Whether two keys are for the same issuers. */
export const areForSameIssuers = (one: ForIssuers, other: ForIssuers): boolean =>
  one.ignoresIssuer === other.ignoresIssuer &&
  (one.issuers === other.issuers || textsOf(one.issuers) === textsOf(other.issuers));

const textsOf = (issuers: KeyIssuers | undefined): string =>
  JSON.stringify([issuers?.configured?.texts, statedText(issuers)]);
