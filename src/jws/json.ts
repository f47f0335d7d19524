import { type JsonFault, MAX_ITEMS } from "./json-rules.js";
import { JsonScanner } from "./json-scanner.js";

export { MAX_DEPTH, MAX_ITEMS } from "./json-rules.js";

/**
 * A JSON object as {@link readObject} made it. Its members may have any name, including `__proto__` and `constructor`:
 * read them with {@link member} only.
 */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A strictly read JSON object, and the exact text it was read from. */
export interface JsonDocument {
  readonly text: string;
  readonly value: JsonObject;
}

/** A member of the object itself, never of its prototype; undefined if it has none of this name. */
export function member(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** The names of the members that lead from a JSON object to a value in it, outermost first; at least one. */
export type MemberPath = readonly string[];

/** The value at a path, through objects' own members only; undefined if there is none. */
export function valueAt(object: JsonObject, path: MemberPath): unknown {
  let value: unknown = object;
  for (let at = 0; at < path.length; at++) {
    const name = path[at] as string;
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

/**
 * Reads a JSON object strictly (RFC 8259, I-JSON of RFC 7493): UTF-8 without a byte order mark, no duplicate members at
 * any level, however they are spelt, finite numbers, no lone surrogates, at most {@link MAX_DEPTH} levels and
 * {@link MAX_ITEMS} members and elements.
 *
 * @returns undefined for anything else
 */
export function readObject(bytes: Buffer): JsonDocument | undefined {
  const read = readObjectOrFault(bytes);
  return typeof read === "string" ? undefined : read;
}

/** Reads a JSON object as {@link readObject} does, and says why if it refuses it. @param maxItems most members and elements */
export function readObjectOrFault(bytes: Buffer, maxItems = MAX_ITEMS): JsonDocument | JsonFault {
  const scanner = new JsonScanner(bytes, "strict", maxItems);
  const value = scanner.read();
  if (isObject(value)) return { text: scanner.text, value };
  return value === undefined ? scanner.fault : "not an object";
}

/**
 * Reads any JSON value as JSON.parse does: the last of duplicate members counts, size has no limit, numbers may overflow
 * to Infinity, and strings may hold lone surrogates. Members are defined as {@link JsonObject} says.
 *
 * @param bytes UTF-8 without a byte order mark
 * @param maxDepth most levels of nesting (default: no limit)
 * @returns undefined if they are not JSON, or nested deeper
 */
export function readJson(bytes: Buffer, maxDepth = Number.POSITIVE_INFINITY): unknown {
  return new JsonScanner(bytes, "tolerant", MAX_ITEMS, maxDepth).read();
}

/** True for a JSON object: not for null, and not for an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
