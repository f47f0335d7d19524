import { decodeSegment, mayMislead } from "./base64url.js";
import { type FormFault, jsonFault, spellingFault } from "./form-fault.js";
import {
  isObject,
  type JsonDocument,
  type JsonObject,
  MAX_ITEMS,
  member,
  readJson,
  readObjectOrFault,
} from "./json.js";
import { KnownHeaders } from "./known-headers.js";

/** How a realm reads its tokens. */
export interface ReadOptions {
  /** Names of header parameters that the reader leaves out. */
  readonly ignoreHeaders: ReadonlySet<string>;
  /** Admits a `jwk` in the header, as DPoP proofs have one; it is not looked at (default: refused). */
  readonly embeddedKey?: true;
  /** Most members and elements of the header, and of the payload; see {@link mostItems}. Default: {@link MAX_ITEMS}. */
  readonly maxItems?: number;
  /** Whether a `kid` and registered claims (RFC 7519, section 4.1) that are null count as absent; default false. */
  readonly nullClaims?: boolean;
}

/** Characters of `maxTokenLength` that allow one member or element. */
const CHARACTERS_PER_ITEM = 8;

/**
 * Most members and elements that the header or the payload of a token may have: 2,000, or one for every 8 characters
 * that the token may have where that is more.
 *
 * @param maxTokenLength characters of the longest token that is accepted
 */
export function mostItems(maxTokenLength: number): number {
  return Math.max(MAX_ITEMS, Math.floor(maxTokenLength / CHARACTERS_PER_ITEM));
}

/** Why a token was refused unread. */
export interface Refusal {
  readonly ok: false;
  readonly reason: "TOKEN_MALFORMED" | "HEADER_REFUSED";
  /** The header parameter concerned; empty if there is no single one. */
  readonly claim: string;
  /** What is wrong with the form of a malformed token; absent if a header parameter is refused. */
  readonly form?: FormFault;
}

/** A JWS in the compact serialization (RFC 7515 section 7.1), read and not yet verified. */
export interface CompactJws {
  readonly ok: true;
  /** Without the ignored parameters; frozen, since tokens may share it. `alg` may be missing or of any type: the verifier compares it. */
  readonly header: JsonObject;
  /** The token up to its second dot; ASCII. */
  readonly signingInput: string;
  readonly payload: Buffer;
  /** Any length, including 0. */
  readonly signature: Buffer;
}

/** A JWS whose payload is a JSON object (RFC 7519), read and not yet verified. */
export interface Jwt extends CompactJws {
  readonly claims: JsonObject;
  /** The JSON text exactly as signed. */
  readonly payloadText: string;
}

/**
 * Header parameters that change what is signed, or name keys of the sender's choosing (RFC 7515 section 4.1, RFC 7516,
 * RFC 7797). A token that has one is refused, and what it names is never fetched.
 */
const REFUSED = ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"] as const;

/** Header parameters that must be strings. */
const STRINGS = ["kid", "typ", "cty"] as const;

/** The registered claims (RFC 7519, section 4.1). */
const REGISTERED = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"] as const;

const malformed = (form: FormFault, claim = ""): Refusal => ({ ok: false, reason: "TOKEN_MALFORMED", claim, form });

/** Headers that were read lately: most tokens have one of few. */
const KNOWN = new KnownHeaders();

/**
 * Reads a JWS strictly: exactly two dots, three canonical base64url segments of which only the third may be empty, and
 * a header that is a strict JSON object. Verifies nothing.
 *
 * @param token any text; the caller limits its length
 */
export function readCompact(token: string, options: ReadOptions): CompactJws | Refusal {
  const first = token.indexOf(".");
  const second = token.indexOf(".", first + 1);
  // The decoder refuses a third dot in the signature.
  if (first < 1 || second < first + 2 || mayMislead(token)) return malformed(spellingFault(token));
  const payload = decodeSegment(token.slice(first + 1, second));
  const signature = decodeSegment(token.slice(second + 1));
  if (payload === undefined || signature === undefined) return malformed(spellingFault(token));
  const read = readHeader(token.slice(0, first), options);
  if (read === undefined) return malformed(spellingFault(token));
  if (!read.ok) return read;
  return { ok: true, header: read.header, signingInput: token.slice(0, second), payload, signature };
}

/** Reads a header, or finds it among those that were read. @returns undefined if its text is not base64url */
function readHeader(text: string, options: ReadOptions): Pick<CompactJws, "ok" | "header"> | Refusal | undefined {
  const { ignoreHeaders, embeddedKey = false, maxItems = MAX_ITEMS, nullClaims = false } = options;
  // Each client has its own embedded key, and so its own header.
  const isCommon = !embeddedKey && maxItems >= MAX_ITEMS;
  const reading = { ignoreHeaders, nullClaims };
  const known = isCommon ? KNOWN.get(text, reading) : undefined;
  if (known !== undefined) return { ok: true, header: known };
  const bytes = decodeSegment(text);
  if (bytes === undefined) return undefined;
  const document = readObjectOrFault(bytes, maxItems);
  if (typeof document === "string") return malformed(jsonFault("header", document));
  const header = without(document, ignoreHeaders);
  if (nullClaims) dropNulls(header, ["kid"]);
  const refusal = refusalOf(header, embeddedKey);
  if (refusal !== undefined) return refusal;
  if (isCommon) KNOWN.set(bytes, header, reading);
  return { ok: true, header };
}

/** Reads a JWT: as {@link readCompact}, and the payload must be a strict JSON object too. */
export function readJwt(token: string, options: ReadOptions): Jwt | Refusal {
  const jws = readCompact(token, options);
  if (!jws.ok) return jws;
  const document = readObjectOrFault(jws.payload, options.maxItems);
  if (typeof document === "string") return malformed(jsonFault("payload", document));
  if (options.nullClaims) dropNulls(document.value, REGISTERED);
  const { header, signingInput, payload, signature } = jws;
  return { ok: true, header, signingInput, payload, signature, claims: document.value, payloadText: document.text };
}

/**
 * The issuer that an unverified token names, for choosing the realm that verifies it. It proves nothing: that realm
 * reads the token strictly and checks the issuer again.
 *
 * @param token any text; the caller limits its length
 * @returns the claim `iss`; undefined if the payload is not a JSON object with a string `iss`
 */
export function unverifiedIssuer(token: string): string | undefined {
  const start = token.indexOf(".") + 1;
  const end = token.indexOf(".", start);
  if (start === 0 || end === -1) return undefined;
  const claims = readJson(Buffer.from(token.slice(start, end), "base64url"));
  const issuer = isObject(claims) ? member(claims, "iss") : undefined;
  return typeof issuer === "string" ? issuer : undefined;
}

function without({ value }: JsonDocument, names: ReadonlySet<string>): JsonObject {
  if (names.size === 0) return value;
  // fromEntries defines members instead of assigning them, so `__proto__` stays an ordinary one.
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.has(name)));
}

/** Removes members that are null from an object that nothing else uses yet. */
function dropNulls(object: Record<string, unknown>, names: readonly string[]): void {
  for (const name of names) if (object[name] === null) delete object[name];
}

function refusalOf(header: JsonObject, embeddedKey: boolean): Refusal | undefined {
  const refused = REFUSED.find((name) => Object.hasOwn(header, name) && !(embeddedKey && name === "jwk"));
  if (refused !== undefined) return { ok: false, reason: "HEADER_REFUSED", claim: refused };
  const mistyped = STRINGS.find((name) => Object.hasOwn(header, name) && typeof header[name] !== "string");
  return mistyped === undefined ? undefined : malformed("header parameter is no string", mistyped);
}
