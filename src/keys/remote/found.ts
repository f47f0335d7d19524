import { isObject, type JsonObject, member } from "../../jws/json.js";

/** What a fetch is for, and how it is configured. */
export type Wanted = "keys" | "certificates" | "metadata";

/** A wanted document in words. */
const WANTED: Readonly<Record<Wanted, string>> = {
  keys: "a JWK Set",
  certificates: "a map of certificates",
  metadata: "the issuer's metadata",
};

/** A kind of document that people find at a URL of keys. */
interface DocumentKind {
  /** What it is, in words. */
  readonly what: string;
  /** What it is wanted as; absent if as nothing. */
  readonly is?: Wanted;
  /** What to write in the configuration, or to do. */
  readonly fix: string;
}

const has = (document: JsonObject, ...names: readonly string[]): boolean =>
  names.every((name) => typeof member(document, name) === "string");

/** Whether a value is a JWK Set, or an object that has one, as the bundles of several trust domains have. */
function holdsSet(value: unknown): boolean {
  const isSet = (one: unknown): boolean => isObject(one) && Array.isArray(member(one, "keys"));
  return isSet(value) || (isObject(value) && Object.values(value).some(isSet));
}

/** Whether a value is an object whose members are JWKs, as {"KID": {"kty": ...}}. */
function isKeysByName(value: unknown): boolean {
  const members = isObject(value) ? Object.values(value) : [];
  return members.length > 0 && members.every((one) => isObject(one) && has(one, "kty"));
}

/** Kinds of JSON objects, the first that fits. The last one fits all. */
const OBJECTS: readonly (DocumentKind & { readonly fits: (document: JsonObject) => boolean })[] = [
  {
    what: "a JWK Set",
    is: "keys",
    fits: (document) => Array.isArray(member(document, "keys")),
    fix: "write jwksUri with this URL",
  },
  {
    what: "an issuer's metadata",
    is: "metadata",
    fits: (document) => has(document, "jwks_uri") || has(document, "issuer", "token_endpoint"),
    fix: "write discovery with this URL",
  },
  {
    what: "a map of certificates",
    is: "certificates",
    fits: (document) =>
      Object.values(document).some((value) => typeof value === "string" && /^\s*-----BEGIN /.test(value)),
    fix: "write x509Uri with this URL",
  },
  {
    what: "a JWK Set inside another object",
    fits: (document) => Object.values(document).some(holdsSet),
    fix: "ask the issuer for the URL of the set itself, or save the inner object and write jwksFile",
  },
  {
    what: "JWKs by name",
    fits: (document) => [document, member(document, "keys")].some(isKeysByName),
    fix: 'ask the issuer for an object as {"keys": [...]}, or save it as one and write jwksFile',
  },
  {
    what: "a single JWK",
    fits: (document) => has(document, "kty"),
    fix: "write it as jwk, or ask the issuer for the URL of a JWK Set",
  },
  {
    what: "another JSON object",
    fits: () => true,
    fix: "check the URL: it may answer with an error, or need another path",
  },
];

/** Kinds of texts that are not a JSON object, the first that fits. */
const TEXTS: readonly (DocumentKind & { readonly fits: RegExp })[] = [
  { what: "an empty body", fits: /^$/, fix: "check the URL" },
  // In UTF-16 every other byte of JSON is zero. Read as UTF-8, the byte order mark before it is two characters U+FFFD.
  {
    what: "a text in UTF-16",
    fits: /^(?:\ufffd{2})?(?:(?:\0[^\0]){2}|(?:[^\0\ufffd]\0){2})/,
    fix: "ask the issuer for UTF-8, or save it in UTF-8 and write jwksFile",
  },
  {
    what: "JSON inside a JSON text",
    fits: /^"\s*\{/,
    fix: "ask the issuer for the object itself, or save it and write jwksFile",
  },
  {
    what: "a list of JWKs",
    fits: /^\[\s*\{[\s\S]*"kty"/,
    fix: 'ask the issuer for an object as {"keys": [...]}, or save it as one and write jwksFile',
  },
  { what: "a JSON list", fits: /^\[/, fix: "check the URL" },
  {
    what: "an HTML page",
    fits: /^<(?:!doctype html|html|head|body|!--)/i,
    fix: "open the URL in a browser: it may be a page to sign in, or an error",
  },
  { what: "XML", fits: /^</, fix: "check the URL: keys for tokens are JSON" },
  { what: "a certificate in PEM", fits: /^-----BEGIN (?:TRUSTED )?CERTIFICATE/, fix: "save it and write pemFile" },
  { what: "a key in PEM", fits: /^-----BEGIN /, fix: "save it and write pemFile" },
  {
    what: "a signed document",
    fits: /^eyJ[\w-]*\.[\w-]+\.[\w-]*\s*$/,
    fix: "ask the issuer for the URL of its JWK Set as plain JSON",
  },
];

/**
 * Says what was found in place of a document, and what to write: nothing of the document itself.
 *
 * @param document the JSON object that was read, or the text if it is none
 * @returns undefined if the document is of the kind that is wanted, or a text of a kind that is not known
 */
export function foundInstead(document: JsonObject | string, wanted: Wanted): string | undefined {
  const kind = isObject(document)
    ? OBJECTS.find(({ fits }) => fits(document))
    : TEXTS.find(({ fits }) => fits.test(document.trim()));
  if (kind === undefined || kind.is === wanted) return undefined;
  return `it gave ${kind.what}, not ${WANTED[wanted]}: ${kind.fix}`;
}
