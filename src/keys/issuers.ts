import { type JsonObject, member } from "../jws/json.js";
import { quote } from "../util/printable.js";

// Issuers as a configuration, a published key or an issuer's metadata name them: exact, or with one placeholder.

/** An issuer with a placeholder, such as `https://login.example/{tid}/v2.0`. */
export interface IssuerTemplate {
  /** The whole text, as written. */
  readonly text: string;
  /** The text before the placeholder. */
  readonly prefix: string;
  /** The name in the placeholder: in a realm's issuer, the claim whose value replaces it. */
  readonly name: string;
  /** The text after the placeholder. */
  readonly suffix: string;
  /** Whether the placeholder is a label of the host. */
  readonly isInHost: boolean;
}

/** An exact issuer, or one with a placeholder. */
export type Issuer = string | IssuerTemplate;

/** What is wrong with the braces of an issuer, and what would be right. */
interface IssuerFault {
  readonly fault: string;
}

/** A URL up to the end of its authority. */
const AUTHORITY = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/;

const PLACE =
  "may have a placeholder in its path or as a whole label of its host, such as https://login.example/{tid} or https://{org}.example";

/** Reads an issuer; the placeholder may have any name. */
function read(text: string): Issuer | IssuerFault {
  const start = text.indexOf("{");
  const end = text.indexOf("}", start);
  if (start === -1 || end === -1) return text;
  const [prefix, name, suffix] = [text.slice(0, start), text.slice(start + 1, end), text.slice(end + 1)];
  if (/[{}]/.test(prefix + name + suffix))
    return { fault: "may have one placeholder such as {tid}, and no other brace" };
  const [origin, authority = ""] = AUTHORITY.exec(prefix) ?? [];
  if (origin === undefined) return { fault: PLACE };
  const isInHost = origin === prefix;
  const rest = /^[^/?#]*/.exec(suffix)?.[0] ?? "";
  const isLabel = /(^|\.)$/.test(authority) && /^([.:]|$)/.test(rest) && !rest.includes("@");
  const isInPath = authority !== "" && !/[?#]/.test(prefix);
  return (isInHost ? isLabel : isInPath) ? { text, prefix, name, suffix, isInHost } : { fault: PLACE };
}

/** Like {@link read}, with the name of a top-level claim in the placeholder. */
function readWithClaim(text: string): Issuer | IssuerFault {
  const issuer = read(text);
  if (typeof issuer === "string" || "fault" in issuer || /^[\w-]+$/.test(issuer.name)) return issuer;
  const name = quote(`{${issuer.name}}`);
  return { fault: `may have a placeholder of letters, digits, _ and - only, such as {tid}, not ${name}` };
}

/** What is wrong with the placeholder of a realm's issuer, and what would be right; undefined if it can be used. */
export function issuerFault(text: string): string | undefined {
  const issuer = readWithClaim(text);
  return typeof issuer === "object" && "fault" in issuer ? issuer.fault : undefined;
}

const orExact = (issuer: Issuer | IssuerFault, text: string): Issuer =>
  typeof issuer === "object" && "fault" in issuer ? text : issuer;

/** An issuer of a realm. A text without a pair of braces is exact, and so is one with an {@link issuerFault}. */
export const realmIssuer = (text: string): Issuer => orExact(readWithClaim(text), text);

/** An issuer as its metadata or a key name it: like {@link realmIssuer}, with any name in the placeholder. */
export const publishedIssuer = (text: string): Issuer => orExact(read(text), text);

/** Most characters of a placeholder's value. */
const MAX_VALUE = 128;

/** Whether a text may replace a placeholder: unreserved characters of a URL (RFC 3986, section 2.3), in a host no dot. */
function isValue(text: string, isInHost: boolean): boolean {
  if (text.length > MAX_VALUE || !/^[\w.~-]+$/.test(text) || text === "." || text === "..") return false;
  return !(isInHost && text.includes("."));
}

/** Whether an issuer is a template's text with some value for its placeholder. */
export function hasForm({ prefix, suffix, isInHost }: IssuerTemplate, issuer: string): boolean {
  const length = issuer.length - prefix.length - suffix.length;
  if (length < 1 || length > MAX_VALUE || !issuer.startsWith(prefix) || !issuer.endsWith(suffix)) return false;
  return isValue(issuer.slice(prefix.length, prefix.length + length), isInHost);
}

/** Whether an issuer is a template's text with the value of its claim. Allocates nothing. */
function hasValue({ prefix, name, suffix, isInHost }: IssuerTemplate, issuer: string, claims: JsonObject): boolean {
  const value = member(claims, name);
  return (
    typeof value === "string" &&
    issuer.length === prefix.length + value.length + suffix.length &&
    issuer.startsWith(prefix) &&
    issuer.startsWith(value, prefix.length) &&
    issuer.endsWith(suffix) &&
    isValue(value, isInHost)
  );
}

/**
 * Whether a document of an issuer means an issuer of a realm: the same text, except that a placeholder in the document
 * may have another name, or stand for a part of an exact issuer. Nothing else is looser than OpenID Connect Discovery
 * 1.0, section 4.3.
 */
export function meansIssuer(published: Issuer, issuer: Issuer): boolean {
  if (typeof published === "string") return published === issuer;
  if (typeof issuer === "string") return hasForm(published, issuer);
  return published.prefix === issuer.prefix && published.suffix === issuer.suffix;
}

/** An issuer that has the form of both templates; undefined if there is none. */
export function commonIssuer(one: IssuerTemplate, other: IssuerTemplate): string | undefined {
  const fixed = one.prefix.length + one.suffix.length - other.prefix.length - other.suffix.length;
  for (let length = 1; length <= MAX_VALUE; length++) {
    if (length + fixed < 1) continue;
    // Where neither template fixes a character, a letter fits both.
    const first = one.prefix + "\0".repeat(length) + one.suffix;
    const second = other.prefix + "\0".repeat(length + fixed) + other.suffix;
    const both = first.replace(/\0/g, (_, at: number) => second[at] ?? "").replace(/\0/g, "a");
    if (hasForm(one, both) && hasForm(other, both)) return both;
  }
  return undefined;
}

/** The issuers of a realm, or of an entry of its keys, prepared for comparing. */
export class Issuers {
  /** As written, in order; at least one. */
  readonly texts: readonly string[];
  /** Those with a placeholder. */
  readonly templates: readonly IssuerTemplate[];
  readonly #exact: ReadonlySet<string>;

  /** @param texts as {@link realmIssuer} reads them */
  constructor(texts: readonly string[]) {
    const issuers = texts.map(realmIssuer);
    this.texts = texts;
    this.templates = issuers.filter((issuer) => typeof issuer === "object");
    this.#exact = new Set(issuers.filter((issuer) => typeof issuer === "string"));
  }

  /** Whether the tokens of more than one issuer are admitted. */
  get areSeveral(): boolean {
    return this.#exact.size + this.templates.length > 1 || this.templates.length > 0;
  }

  /** The issuer that a token's claims fit; undefined if there is none. Allocates nothing. */
  find(claims: JsonObject): Issuer | undefined {
    const iss = member(claims, "iss");
    if (typeof iss !== "string") return undefined;
    if (this.#exact.has(iss)) return iss;
    for (const template of this.templates) if (hasValue(template, iss, claims)) return template;
    return undefined;
  }

  /** Whether some token may name this issuer: it is listed, or has the form of a template. */
  includes(issuer: string): boolean {
    return this.#exact.has(issuer) || this.templates.some((template) => hasForm(template, issuer));
  }
}
