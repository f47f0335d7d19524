import type { Algorithm } from "../../jws/algorithms.js";
import { isObject, member } from "../../jws/json.js";
import { printableAscii, quote } from "../../util/printable.js";
import { loadCertificateMap } from "../certificate-map.js";
import { meansIssuer, publishedIssuer, realmIssuer } from "../issuers.js";
import { type LoadedSet, loadPublishedKeys } from "../jwks.js";
import { forIssuers } from "../key-issuers.js";
import { FetchError, type Validators } from "./answer.js";
import { createFetcher, type FetchOptions, type Get } from "./fetch.js";
import type { Wanted } from "./found.js";
import { type Location, locationName, metadataUrls, printableUrl } from "./location.js";

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
  const jwksUri = "discovery" in location ? await discover(location, get) : locationName(location);
  const validators = last?.jwksUri === jwksUri ? last.validators : undefined;
  const fetched = await ("discovery" in location
    ? named("the keys", jwksUri, get(jwksUri, "keys", validators))
    : get(jwksUri, wantedAt(location), validators));
  if (fetched.kind === "unchanged") return fetched;
  const { validators: next, ...document } = fetched;
  return { ...document, memory: { jwksUri, validators: next } };
}

/** What the document with the keys must be. */
export const wantedAt = (location: Location): Wanted => ("x509Uri" in location ? "certificates" : "keys");

/** Reads the key set's URL from the issuer's metadata, on every fetch: the metadata tie the keys to the issuer. */
async function discover({ discovery, issuers }: Extract<Location, { discovery: string }>, get: Get): Promise<string> {
  const { value, url } = await fetchMetadata(metadataUrls(discovery), get);
  if (!isObject(value)) throw new FetchError(`the metadata at ${printableUrl(url)} are not an object`);
  const [issuer, jwksUri] = [member(value, "issuer"), member(value, "jwks_uri")];
  if (typeof issuer !== "string" || !isIssuer(issuer, issuers)) {
    const more = issuers.length > MAX_ISSUERS ? " or another" : "";
    const configured = issuers.slice(0, MAX_ISSUERS).map(quoteIssuer).join(" or ") + more;
    throw new FetchError(
      `the metadata at ${printableUrl(url)} are another issuer's: their \`issuer\` is ${quoteIssuer(issuer)}, not ${configured}`,
    );
  }
  if (typeof jwksUri !== "string" || !URL.canParse(jwksUri)) {
    throw new FetchError(`the metadata at ${printableUrl(url)} have no \`jwks_uri\` that is a URL`);
  }
  return jwksUri;
}

/**
 * Whether the `issuer` in metadata is an expected one (OpenID Connect Discovery 1.0, section 4.3). Multi-tenant metadata have
 * a placeholder where tokens have the tenant's id.
 */
const isIssuer = (published: string, configured: readonly string[]): boolean =>
  configured.some((one) => meansIssuer(publishedIssuer(published), realmIssuer(one)));

/** Fetches the first metadata that exist: an issuer that implements OAuth only has none at the URL of OpenID Connect. */
async function fetchMetadata(
  urls: readonly string[],
  get: Get,
): Promise<{ readonly value: unknown; readonly url: string }> {
  const absent: string[] = [];
  for (const url of urls) {
    try {
      const fetched = await named("the metadata", url, get(url, "metadata"));
      return { value: fetched.kind === "document" ? fetched.value : undefined, url };
    } catch (error) {
      const { status, message } = error as FetchError;
      if (status === undefined || status < 400 || status > 499) throw error;
      absent.push(message);
    }
  }
  throw new FetchError(absent.join("; "));
}

/** Says in the message of a failure which document was asked for where. */
function named<T>(what: string, url: string, fetching: Promise<T>): Promise<T> {
  return fetching.catch((error: unknown) => {
    if (!(error instanceof FetchError)) throw error;
    throw new FetchError(`${what} at ${printableUrl(url)}: ${error.message}`, error.status);
  });
}

/** Most configured issuers that a message names. */
const MAX_ISSUERS = 3;

/** Longest issuer that a message quotes, in characters: two issuers usually differ near their ends. */
const MAX_ISSUER_LENGTH = 200;

/** Quotes the `issuer` of metadata: truncated, in printable ASCII. */
function quoteIssuer(issuer: unknown): string {
  if (typeof issuer !== "string") return issuer === undefined ? "absent" : "no text";
  return printableAscii(quote(issuer, MAX_ISSUER_LENGTH));
}

/** What loading fetched keys needs to know of an entry. */
export interface FetchedKind {
  readonly location: Location;
  /** The values of `use` of the keys that are taken, as `loadJwks` takes them. */
  readonly uses?: readonly string[] | undefined;
  /** Issuers of the realm whose tokens the keys verify; undefined for all. */
  readonly issuers?: readonly string[] | undefined;
}

/**
 * Loads a key set that was fetched.
 *
 * @param value a parsed JSON value of any kind
 * @param algorithms those of the realm that the keys are for
 * @throws {KeyError} if it has no usable key
 */
export function loadFetched(
  { location, uses, issuers }: FetchedKind,
  value: unknown,
  algorithms: readonly Algorithm[],
): LoadedSet {
  const load = "x509Uri" in location ? loadCertificateMap : loadPublishedKeys;
  const { keys, leftOut } = load(value, { algorithms, uses });
  return { keys: forIssuers(keys, issuers), leftOut: forIssuers(leftOut, issuers) };
}

/**
 * Fetches and loads an issuer's key set once, as a running service would, and keeps nothing.
 *
 * @param algorithms those of the realm that the keys are for
 * @throws {FetchError} if the set cannot be fetched
 * @throws {KeyError} if it has no usable key
 */
export async function fetchOnce(
  entry: FetchOptions & FetchedKind,
  algorithms: readonly Algorithm[],
): Promise<LoadedSet> {
  const fetcher = createFetcher(entry);
  try {
    const fetched = await fetcher.within((get) => fetchKeySet(entry.location, get, undefined));
    // Without validators the answer cannot be "unchanged".
    return loadFetched(entry, fetched.kind === "document" ? fetched.value : undefined, algorithms);
  } finally {
    await fetcher.close();
  }
}
