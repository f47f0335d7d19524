import { constants, createHmac, type KeyObject, sign } from "node:crypto";
import { keyOf } from "./keys.js";

// Makes tokens without src and jose: an independent implementation of the standards.

/** The parts of a token to make. */
export interface TokenSpec {
  /** The name of the key that signs. */
  readonly key: string;
  /** The algorithm that signs (default: the header's). */
  readonly alg?: string;
  readonly header: Readonly<Record<string, unknown>>;
  /** The exact text of the header, which replaces `header`. */
  readonly headerText?: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** The exact text of the payload, which replaces `claims`. */
  readonly payload?: string;
  /** The bytes of the payload in hex, which replace both. */
  readonly payloadHex?: string;
  /** Changes to the token after it is signed, in order. */
  readonly tamper?: readonly Tampering[];
}

const HASHES: Readonly<Record<string, string>> = { 256: "sha256", 384: "sha384", 512: "sha512" };

/** Signs as RFC 7518, section 3, RFC 8037 and RFC 9864 specify. */
function signature(alg: string, input: string, key: KeyObject): Buffer {
  const data = Buffer.from(input, "ascii");
  if (alg === "EdDSA" || alg === "Ed25519") return sign(null, data, key);
  const hash = HASHES[alg.slice(2)];
  if (hash === undefined) throw new Error(`nobody signs with ${alg}`);
  switch (alg.slice(0, 2)) {
    case "HS":
      return createHmac(hash, key).update(data).digest();
    case "RS":
      return sign(hash, data, key);
    case "PS":
      return sign(hash, data, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      });
    default:
      return sign(hash, data, { key, dsaEncoding: "ieee-p1363" });
  }
}

const encode = (text: string | Buffer): string => Buffer.from(text).toString("base64url");

/** Makes a token. */
export function makeToken(spec: TokenSpec): string {
  const header = spec.headerText ?? JSON.stringify(spec.header);
  const payload =
    spec.payloadHex === undefined ? (spec.payload ?? JSON.stringify(spec.claims)) : Buffer.from(spec.payloadHex, "hex");
  const input = `${encode(header)}.${encode(payload)}`;
  const alg = spec.alg ?? String(spec.header["alg"]);
  const made = `${input}.${signature(alg, input, keyOf(spec.key).signer).toString("base64url")}`;
  return (spec.tamper ?? []).reduce((token, how) => TAMPERINGS[how](token), made);
}

function edit(token: string, segment: 0 | 1 | 2, change: (text: string) => string): string {
  const segments = token.split(".");
  segments[segment] = change(segments[segment] ?? "");
  return segments.join(".");
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Flips one bit in the middle of a segment. */
const flip = (text: string): string => {
  const bytes = Buffer.from(text, "base64url");
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  return bytes.toString("base64url");
};

/** Spells the same bytes differently by setting an unused bit of the last character. */
const spareBit = (text: string): string => {
  const last = ALPHABET.indexOf(text.at(-1) ?? "A");
  return `${text.slice(0, -1)}${ALPHABET[last | 1]}`;
};

const TAMPERINGS = {
  "flip signature": (token: string) => edit(token, 2, flip),
  "cut signature": (token: string) => edit(token, 2, (text) => encode(Buffer.from(text, "base64url").subarray(0, -1))),
  "lengthen signature": (token: string) =>
    edit(token, 2, (text) => encode(Buffer.concat([Buffer.from(text, "base64url"), Buffer.alloc(1)]))),
  "zero signature": (token: string) =>
    edit(token, 2, (text) => encode(Buffer.alloc(Buffer.from(text, "base64url").length))),
  "empty signature": (token: string) => edit(token, 2, () => ""),
  "two segments": (token: string) => token.slice(0, token.lastIndexOf(".")),
  "one segment": (token: string) => token.slice(0, token.indexOf(".")),
  "four segments": (token: string) => `${token}.x`,
  "five segments": (token: string) => `${token}.x.x`,
  "empty header": (token: string) => edit(token, 0, () => ""),
  "empty payload": (token: string) => edit(token, 1, () => ""),
  "pad header": (token: string) => edit(token, 0, (text) => `${text}=`),
  "pad payload": (token: string) => edit(token, 1, (text) => `${text}=`),
  "pad signature": (token: string) => edit(token, 2, (text) => `${text}=`),
  "plus in signature": (token: string) => edit(token, 2, (text) => `+${text.slice(1)}`),
  "spare bit": (token: string) => edit(token, 2, spareBit),
  "space inside": (token: string) => token.replace(".", ". "),
  "line end behind": (token: string) => `${token}\n`,
  Bearer: (token: string) => `Bearer ${token}`,
  quotes: (token: string) => `"${token}"`,
  "non-ASCII signature": (token: string) => edit(token, 2, (text) => `é${text.slice(1)}`),
  "flip payload": (token: string) =>
    edit(token, 1, (text) => encode(Buffer.from(text, "base64url").toString().replace("}", " }"))),
} as const satisfies Readonly<Record<string, (token: string) => string>>;

/** The changes that can be made to a token, by name. */
export type Tampering = keyof typeof TAMPERINGS;
