import { isUtf8 } from "node:buffer";
import { isObject, readJson } from "./json.js";
import { type JsonFault, MAX_DEPTH, MAX_ITEMS } from "./json-rules.js";
import { JsonScanner } from "./json-scanner.js";

/** Most characters of a member name that a message repeats. */
const LONGEST_NAME = 64;

const BOM = Buffer.from("\ufeff");

/** Faults of JSON objects that strict rules refuse. */
const STRICT_FAULTS: Readonly<Partial<Record<JsonFault, string>>> = {
  "too deep": `The body has more than ${MAX_DEPTH} levels.`,
  "too many items": `The body has more than ${MAX_ITEMS} members and elements.`,
  "number too large": "The body has a number that is too large.",
  "half a character": "The body has half of a surrogate pair.",
};

/**
 * Why `readObject` refuses these bytes, as a sentence for the client that sent them. It may name a member, and never
 * contains a value.
 */
export function jsonProblem(bytes: Buffer): string {
  if (bytes.length === 0) return "The body is empty: send a JSON object.";
  if (!isUtf8(bytes)) return "The body is not UTF-8.";
  if (bytes.subarray(0, BOM.length).equals(BOM)) return "The body begins with a byte order mark: leave it out.";
  const value = readJson(bytes);
  if (value === undefined) return "The body is not JSON.";
  if (!isObject(value)) return "The body is not a JSON object.";
  const scanner = new JsonScanner(bytes, "strict");
  scanner.read();
  if (scanner.duplicate !== undefined) return `The member ${quoteName(scanner.duplicate)} appears twice in one object.`;
  return STRICT_FAULTS[scanner.fault] ?? "The body is not JSON.";
}

/** A member name in quotes, truncated to 64 characters. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);
}
