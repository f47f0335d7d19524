import type { JsonFault } from "./json-rules.js";

/** What is wrong with the form of a token. A closed list, so that a message about it holds nothing of the token. */
export type FormFault =
  | "JSON serialization"
  | "scheme"
  | "quotes"
  | "line end"
  | "white space"
  | "disclosures"
  | "several tokens"
  | "percent-encoding"
  | "one segment"
  | "two segments"
  | "five segments"
  | "many segments"
  | "empty segment"
  | "standard base64"
  | "characters"
  | "cut or changed"
  | "header is not JSON"
  | "payload is not JSON"
  | "header parameter is no string"
  | Extract<JsonFault, "duplicate member" | "too deep" | "too many items" | "number too large" | "half a character">;

/**
 * What may be seen at a text that is not three segments of canonical base64url. The first that fits counts: what was left
 * in front of a token, or put around it, says more than the characters that it brings along.
 */
const SPELLINGS: readonly (readonly [fault: FormFault, shows: (token: string) => boolean])[] = [
  ["JSON serialization", (token) => token.startsWith("{")],
  ["scheme", (token) => /^(?:authorization:\s?)?(?:bearer|dpop)[\s:]/i.test(token)],
  ["quotes", (token) => isQuote(token[0]) || isQuote(token.at(-1))],
  ["line end", (token) => /[\r\n]$/.test(token)],
  ["white space", (token) => /\s/.test(token)],
  ["disclosures", (token) => token.includes("~")],
  ["several tokens", (token) => token.includes(",")],
  ["percent-encoding", (token) => token.includes("%")],
];

/** The faults that a number of segments shows; three show none, and any other number too many. */
const SEGMENTS: Readonly<Record<number, FormFault | undefined>> = {
  1: "one segment",
  2: "two segments",
  3: undefined,
  5: "five segments",
};

/** What is wrong with a text that is not three segments of canonical base64url, of which only the third may be empty. */
export function spellingFault(token: string): FormFault {
  const seen = SPELLINGS.find(([, shows]) => shows(token));
  if (seen !== undefined) return seen[0];
  const segments = token.split(".", 6);
  const count = segments.length;
  const byCount = count in SEGMENTS ? SEGMENTS[count] : "many segments";
  // Of two tokens in a row, the third segment is a signature and a header, and the fourth is a payload.
  if (count === 5 && /.eyJ/.test(segments[2] ?? "") && segments[3]?.startsWith("eyJ")) return "several tokens";
  if (byCount !== undefined) return byCount;
  if (segments[0] === "" || segments[1] === "") return "empty segment";
  if (/[+/]|=(?:[=.]|$)/.test(token)) return "standard base64";
  return /[^\w.-]/.test(token) ? "characters" : "cut or changed";
}

/** What is wrong with a segment whose bytes are no strict JSON object. */
export function jsonFault(segment: "header" | "payload", fault: JsonFault): FormFault {
  return fault === "not JSON" || fault === "not UTF-8" || fault === "not an object" ? `${segment} is not JSON` : fault;
}

function isQuote(char: string | undefined): boolean {
  return char === '"' || char === "'" || char === "`" || char === "\u201c" || char === "\u201d";
}
