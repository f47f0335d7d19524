import { printableAscii, quote } from "../../util/printable.js";
import type { Fetched, Get, Validators } from "./fetch.js";
import { FetchError } from "./fetch-error.js";

/** Where an issuer publishes its keys. */
export type Location =
  | { readonly jwksUri: string }
  | {
      /** The issuer, whose metadata say where the keys are (OpenID Connect Discovery 1.0; RFC 8414). */
      readonly discovery: string;
      /** What the metadata may say that the issuer is: exact. */
      readonly issuers: readonly string[];
    };

/** What is remembered of a good answer, for asking whether it is still the same. */
export interface Memory {
  readonly jwksUri: string;
  readonly validators: Validators;
}

/** A key set as it was published, unchecked, or the word that it did not change. */
export type FetchedSet =
  | { readonly kind: "document"; readonly value: unknown; readonly memory: Memory; readonly lifetime?: number }
  | { readonly kind: "unchanged"; readonly lifetime?: number };

/**
 * Fetches the key set of an issuer.
 *
 * @param last what was remembered of the last answer that was good
 * @throws {FetchError}
 */
export async function fetchKeySet(location: Location, get: Get, last: Memory | undefined): Promise<FetchedSet> {
  const jwksUri = "jwksUri" in location ? location.jwksUri : await discover(location, get);
  const fetched = await get(jwksUri, last?.jwksUri === jwksUri ? last.validators : undefined);
  if (fetched.kind === "unchanged") return fetched;
  const { validators, ...document } = fetched;
  return { ...document, memory: { jwksUri, validators } };
}

/** Asks the issuer's metadata where its keys are. They are asked each time: they are what ties the keys to the issuer. */
async function discover({ discovery, issuers }: Extract<Location, { discovery: string }>, get: Get): Promise<string> {
  const [first, second] = metadataUrls(discovery);
  let fetched: Fetched;
  try {
    fetched = await get(first, undefined);
  } catch (error) {
    // An issuer that knows OAuth alone has nothing at the first.
    const { status } = error as FetchError;
    if (status === undefined || status < 400 || status > 499) throw error;
    fetched = await get(second, undefined);
  }
  const metadata = fetched.kind === "document" ? fetched.value : undefined;
  if (typeof metadata !== "object" || metadata === null) throw new FetchError("the issuer's metadata are no object");
  const { issuer, jwks_uri: jwksUri } = metadata as { issuer?: unknown; jwks_uri?: unknown };
  if (typeof issuer !== "string" || !issuers.includes(issuer)) {
    const configured = issuers.slice(0, TOLD).map(told).join(" or ") + (issuers.length > TOLD ? " or another" : "");
    throw new FetchError(`the metadata are another issuer's: their \`issuer\` is ${told(issuer)}, not ${configured}`);
  }
  if (typeof jwksUri !== "string" || !URL.canParse(jwksUri)) {
    throw new FetchError("the issuer's metadata have no `jwks_uri` that is a URL");
  }
  return jwksUri;
}

/** How many of the configured issuers are told. */
const TOLD = 3;

/** The longest of an issuer that is told, in characters: where two of them differ is at the end, as a rule. */
const LONGEST = 200;

/** What stands for an issuer in metadata, as a message may hold it: cut, in ASCII that moves no terminal's cursor. */
function told(issuer: unknown): string {
  if (typeof issuer !== "string") return issuer === undefined ? "absent" : "no text";
  return printableAscii(quote(issuer, LONGEST));
}

/** Where an issuer's metadata stand: by OpenID Connect Discovery 1.0, section 4, then by RFC 8414, section 3. */
export function metadataUrls(issuer: string): readonly [string, string] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, "");
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ];
}
