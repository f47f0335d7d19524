import type { Algorithm } from "../../jws/algorithms.js";
import { printableAscii, quote } from "../../util/printable.js";
import { Issuers, meansIssuer, publishedIssuer, realmIssuer } from "../issuers.js";
import { type LoadedSet, loadPublishedKeys } from "../jwks.js";
import { forIssuers } from "../key-issuers.js";
import { createFetcher, FetchError, type Fetched, type FetchOptions, type Get, type Validators } from "./fetch.js";

/** Where an issuer publishes its keys. */
export type Location =
  | { readonly jwksUri: string }
  | {
      /** The issuer whose metadata contain the key set's URL (OpenID Connect Discovery 1.0; RFC 8414). */
      readonly discovery: string;
      /** The issuers that the metadata may be of; see {@link meansIssuer}. */
      readonly issuers: readonly string[];
    };

/** What a conditional request for an issuer's keys needs from the last good answer. */
export interface Memory {
  readonly jwksUri: string;
  readonly validators: Validators;
}

/** An unchecked key set as published, or the answer that it did not change. `lifetime` in seconds. */
export type FetchedSet =
  | { readonly kind: "document"; readonly value: unknown; readonly memory: Memory; readonly lifetime?: number }
  | { readonly kind: "unchanged"; readonly lifetime?: number };

/**
 * Fetches the key set of an issuer.
 *
 * @param last from the last good answer
 * @throws {FetchError}
 */
export async function fetchKeySet(location: Location, get: Get, last: Memory | undefined): Promise<FetchedSet> {
  const jwksUri = "jwksUri" in location ? location.jwksUri : await discover(location, get);
  const fetched = await get(jwksUri, last?.jwksUri === jwksUri ? last.validators : undefined);
  if (fetched.kind === "unchanged") return fetched;
  const { validators, ...document } = fetched;
  return { ...document, memory: { jwksUri, validators } };
}

/** Reads the key set's URL from the issuer's metadata, on every fetch: the metadata tie the keys to the issuer. */
async function discover({ discovery, issuers }: Extract<Location, { discovery: string }>, get: Get): Promise<string> {
  const [first, second] = metadataUrls(discovery);
  let fetched: Fetched;
  try {
    fetched = await get(first, undefined);
  } catch (error) {
    // An issuer that implements OAuth only has no document at the first URL.
    const { status } = error as FetchError;
    if (status === undefined || status < 400 || status > 499) throw error;
    fetched = await get(second, undefined);
  }
  const metadata = fetched.kind === "document" ? fetched.value : undefined;
  if (typeof metadata !== "object" || metadata === null)
    throw new FetchError("the issuer's metadata are not an object");
  const { issuer, jwks_uri: jwksUri } = metadata as { issuer?: unknown; jwks_uri?: unknown };
  if (typeof issuer !== "string" || !isIssuer(issuer, issuers)) {
    const more = issuers.length > MAX_ISSUERS ? " or another" : "";
    const configured = issuers.slice(0, MAX_ISSUERS).map(quoteIssuer).join(" or ") + more;
    throw new FetchError(
      `the metadata are another issuer's: their \`issuer\` is ${quoteIssuer(issuer)}, not ${configured}`,
    );
  }
  if (typeof jwksUri !== "string" || !URL.canParse(jwksUri)) {
    throw new FetchError("the issuer's metadata have no `jwks_uri` that is a URL");
  }
  return jwksUri;
}

/**
 * Whether the `issuer` of metadata is one of those that they may have (OpenID Connect Discovery 1.0, section 4.3). Metadata
 * of many tenants write a placeholder where their tokens have the tenant's id.
 */
const isIssuer = (published: string, configured: readonly string[]): boolean =>
  configured.some((one) => meansIssuer(publishedIssuer(published), realmIssuer(one)));

/** Most configured issuers that a message names. */
const MAX_ISSUERS = 3;

/** Longest issuer that a message quotes, in characters: two issuers usually differ near their ends. */
const MAX_ISSUER_LENGTH = 200;

/** Quotes the `issuer` of metadata: truncated, in printable ASCII. */
function quoteIssuer(issuer: unknown): string {
  if (typeof issuer !== "string") return issuer === undefined ? "absent" : "no text";
  return printableAscii(quote(issuer, MAX_ISSUER_LENGTH));
}

/** The URLs of an issuer's metadata: by OpenID Connect Discovery 1.0, section 4, then by RFC 8414, section 3. */
export function metadataUrls(issuer: string): readonly [string, string] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, "");
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ];
}

/**
 * Loads a key set that was fetched.
 *
 * @param value a parsed JSON value of any kind
 * @param algorithms those of the realm that the keys are for
 * @param issuers of the realm, whose tokens the keys verify; undefined for all
 * @throws {KeyError} if it has no usable key
 */
export function loadFetched(
  value: unknown,
  algorithms: readonly Algorithm[],
  { issuers }: { readonly issuers?: readonly string[] | undefined },
): LoadedSet {
  const loaded = loadPublishedKeys(value, { algorithms });
  if (issuers === undefined) return loaded;
  const configured = new Issuers(issuers);
  return { ...loaded, keys: loaded.keys.map((key) => forIssuers(key, configured)) };
}

/**
 * Fetches and loads an issuer's key set once, as a running service would, and keeps nothing.
 *
 * @param algorithms those of the realm that the keys are for
 * @throws {FetchError} if the set cannot be fetched
 * @throws {KeyError} if it has no usable key
 */
export async function fetchOnce(
  location: Location,
  options: FetchOptions,
  algorithms: readonly Algorithm[],
): Promise<LoadedSet> {
  const fetcher = createFetcher(options);
  try {
    const fetched = await fetcher.within((get) => fetchKeySet(location, get, undefined));
    // Without validators the answer cannot be "unchanged".
    return loadPublishedKeys(fetched.kind === "document" ? fetched.value : undefined, { algorithms });
  } finally {
    await fetcher.close();
  }
}
