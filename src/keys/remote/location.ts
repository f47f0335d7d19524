import { truncate } from "../../util/printable.js";

/** Where an issuer publishes its keys, as the configuration says it. */
export type WrittenLocation =
  /** The URL of a JWK Set. */
  | { readonly jwksUri: string }
  /** The URL of a JSON object of `kid` to certificate in PEM. */
  | { readonly x509Uri: string }
  /**
   * The issuer, or the whole URL of its metadata, which contain the key set's URL (OpenID Connect Discovery 1.0; RFC 8414).
   * A query is kept.
   */
  | { readonly discovery: string };

/** Where an issuer publishes its keys; `issuers` are the values that the `issuer` of its metadata may have. */
export type Location =
  | Exclude<WrittenLocation, { discovery: string }>
  | { readonly discovery: string; readonly issuers: readonly string[] };

/** The full URL that an entry's keys are fetched from; the store saves key sets under it. */
export function locationName(location: WrittenLocation): string {
  if ("jwksUri" in location) return location.jwksUri;
  return "x509Uri" in location ? location.x509Uri : location.discovery;
}

/** Longest URL in a message, in characters: an issuer's redirects and metadata may name any. */
const MAX_LENGTH = 300;

/** A URL for logs and answers: without credentials, without the query, which may hold an access key, and truncated. */
export function printableUrl(url: string): string {
  return truncate(url.replace(/^(\w+:\/\/)[^/?#]*@/, "$1…@").replace(/\?.+$/s, "?…"), MAX_LENGTH);
}

/** {@link locationName} as {@link printableUrl} gives it. */
export const printableLocation = (location: Location): string => printableUrl(locationName(location));

const OPENID = "/.well-known/openid-configuration";
const OAUTH = "/.well-known/oauth-authorization-server";

/** A path that names metadata themselves, with the issuer's path before or behind (RFC 8414, sections 3 and 5). */
const METADATA = new RegExp(`^(.*)(?:${OPENID}|${OAUTH})(/.*)?$`);

/**
 * The URLs at which an issuer's metadata are asked for, in turn: by OpenID Connect Discovery 1.0, section 4, then by RFC
 * 8414, section 3. The URL of metadata is the only one, as it is. A query is kept.
 *
 * @param discovery the issuer, or the URL of its metadata
 */
export function metadataUrls(discovery: string): readonly [string, ...string[]] {
  const { origin, pathname, search } = new URL(discovery);
  if (METADATA.test(pathname)) return [`${origin}${pathname.replace(/\/$/, "")}${search}`];
  const path = pathname.replace(/\/$/, "");
  return [`${origin}${path}${OPENID}${search}`, `${origin}${OAUTH}${path}${search}`];
}

/**
 * The issuers that metadata may name for a realm that checks no issuer: those that the discovery URL itself may stand for,
 * as written and as URLs are compared, and without what only leads to the metadata. The slash at the end is not known then.
 */
export function issuersAt(discovery: string): readonly string[] {
  const { origin, pathname } = new URL(discovery);
  const [, before = pathname, behind = ""] = METADATA.exec(pathname) ?? [];
  const bare = `${origin}${before}${behind}`.replace(/\/$/, "");
  return [...new Set([discovery, bare, `${bare}/`])];
}
