import { decodeBase64url } from "./base64url.js";
import { type JsonDocument, type JsonObject, readObject } from "./json.js";

/** How a realm wants its tokens read. */
export interface ReadOptions {
  /** Names of header parameters that are read as if they were not there. */
  readonly ignoreHeaders: ReadonlySet<string>;
}

/** Why a token cannot be read. */
export interface Refusal {
  readonly ok: false;
  readonly reason: "TOKEN_MALFORMED" | "HEADER_REFUSED";
  /** The header parameter concerned; empty where the fault lies in no single one. */
  readonly claim: string;
}

/** A JWS in the compact serialization (RFC 7515 section 7.1), read and not yet verified. */
export interface CompactJws {
  readonly ok: true;
  /** Without the parameters that are ignored. `alg` is there or not, and of any type: whoever verifies judges it. */
  readonly header: JsonObject;
  /** The token up to its second dot; ASCII. */
  readonly signingInput: string;
  readonly payload: Buffer;
  /** May be of any length, 0 included. */
  readonly signature: Buffer;
}

/** A JWS whose payload is a JSON object (RFC 7519), read and not yet verified. */
export interface Jwt extends CompactJws {
  readonly claims: JsonObject;
  /** The JSON text exactly as signed. */
  readonly payloadText: string;
}

/**
 * Header parameters that change what is signed, or offer keys of the sender's choosing (RFC 7515 section 4.1, RFC 7516,
 * RFC 7797). Their mere presence is refused, and nothing that they name is ever fetched.
 */
const REFUSED = ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"] as const;

/** Header parameters that are strings where they are present. */
const STRINGS = ["kid", "typ", "cty"] as const;

const MALFORMED: Refusal = { ok: false, reason: "TOKEN_MALFORMED", claim: "" };

/**
 * Reads a JWS strictly: exactly two dots, three canonical base64url segments of which the third alone may be empty, and
 * a strict JSON object for a header. Verifies nothing.
 *
 * @param token any text; its length was limited before
 */
export function readCompact(token: string, options: ReadOptions): CompactJws | Refusal {
  const first = token.indexOf(".");
  const second = token.indexOf(".", first + 1);
  // Of a third dot the signature's decoding makes an end.
  if (first < 1 || second < first + 2) return MALFORMED;
  const headerBytes = decodeBase64url(token.slice(0, first));
  const payload = decodeBase64url(token.slice(first + 1, second));
  const signature = decodeBase64url(token.slice(second + 1));
  if (headerBytes === undefined || payload === undefined || signature === undefined) return MALFORMED;
  const document = readObject(headerBytes);
  if (document === undefined) return MALFORMED;
  const header = without(document, options.ignoreHeaders);
  return refusalOf(header) ?? { ok: true, header, signingInput: token.slice(0, second), payload, signature };
}

/** Reads a JWT: {@link readCompact}, and a payload that is a strict JSON object. */
export function readJwt(token: string, options: ReadOptions): Jwt | Refusal {
  const jws = readCompact(token, options);
  if (!jws.ok) return jws;
  const document = readObject(jws.payload);
  if (document === undefined) return MALFORMED;
  const { header, signingInput, payload, signature } = jws;
  return { ok: true, header, signingInput, payload, signature, claims: document.value, payloadText: document.text };
}

function without({ value }: JsonDocument, names: ReadonlySet<string>): JsonObject {
  if (names.size === 0) return value;
  // fromEntries defines members instead of assigning them, so that `__proto__` stays an ordinary one.
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.has(name)));
}

function refusalOf(header: JsonObject): Refusal | undefined {
  const refused = REFUSED.find((name) => Object.hasOwn(header, name));
  if (refused !== undefined) return { ok: false, reason: "HEADER_REFUSED", claim: refused };
  const mistyped = STRINGS.find((name) => Object.hasOwn(header, name) && typeof header[name] !== "string");
  return mistyped === undefined ? undefined : { ok: false, reason: "TOKEN_MALFORMED", claim: mistyped };
}
