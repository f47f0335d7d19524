import { isUtf8 } from "node:buffer";
import { MAX_DEPTH, MAX_ITEMS } from "./json.js";
import { skipSpace, stringEnd } from "./member-text.js";

/** The longest name of a member that is told whole: what a stranger sends does not come back by the page. */
const LONGEST_NAME = 64;

const BOM = Buffer.from("\ufeff");

/**
 * Why `readObject` took no object from these bytes, as a sentence for whoever wrote them. It names members and holds
 * none of their values.
 */
export function jsonProblem(bytes: Buffer): string {
  if (bytes.length === 0) return "The body is empty: send a JSON object.";
  if (!isUtf8(bytes)) return "The body is not UTF-8.";
  if (bytes.subarray(0, BOM.length).equals(BOM)) return "The body begins with a byte order mark: leave it out.";
  const text = bytes.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "The body is not JSON.";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "The body is not a JSON object.";
  const name = duplicateMember(text);
  if (name !== undefined) return `The member ${quoteName(name)} stands twice in one object.`;
  return (
    `The body has more than ${MAX_DEPTH} levels, more than ${MAX_ITEMS} members and elements, ` +
    "a number that is too large, or half of a surrogate pair."
  );
}

/** A member's name as a message tells it: in quotes, and not longer than it takes to find it. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);
}

/** The first name that stands twice in one object, at any level, however it is spelt. @param json the text of a JSON value */
function duplicateMember(json: string): string | undefined {
  /** The names of each object that is open; of an array there are none. */
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    const char = json[at];
    if (char === "{" || char === "[") open.push(new Set());
    else if (char === "}" || char === "]") open.pop();
    else if (char === '"') {
      const end = stringEnd(json, at);
      if (json[skipSpace(json, end)] === ":") {
        const name = JSON.parse(json.slice(at, end)) as string;
        if (open.at(-1)?.has(name) === true) return name;
        open.at(-1)?.add(name);
      }
      at = end - 1;
    }
  }
  return undefined;
}
