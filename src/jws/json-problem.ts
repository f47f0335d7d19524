import { isUtf8 } from "node:buffer";
import { isObject, readJson } from "./json.js";
import { JsonScanner, MAX_DEPTH, MAX_ITEMS } from "./json-scanner.js";

/** Most characters of a member name that a message repeats. */
const LONGEST_NAME = 64;

const BOM = Buffer.from("\ufeff");

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
  return (
    `The body has more than ${MAX_DEPTH} levels, more than ${MAX_ITEMS} members and elements, ` +
    "a number that is too large, or half of a surrogate pair."
  );
}

/** A member name in quotes, truncated to 64 characters. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);
}
