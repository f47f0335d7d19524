import { isUtf8 } from "node:buffer";

/**
 * A JSON object as `readObject` made it. Its members may have any name, `__proto__` and `constructor` among them: look
 * at them with {@link member} alone.
 */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A strictly read JSON object, and the very text that it was read from. */
export interface JsonDocument {
  readonly text: string;
  readonly value: JsonObject;
}

/** Deepest nesting taken, the outermost object being the first level. */
export const MAX_DEPTH = 128;

/** Most members and array elements taken, those of all levels together. */
export const MAX_ITEMS = 2_000;

/** A member of the object itself, never of its prototype; undefined where there is none of this name. */
export function member(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/**
 * Reads a JSON object strictly (RFC 8259, I-JSON of RFC 7493): UTF-8 without a byte order mark, no member twice at any
 * level, however it is spelt, finite numbers, no lone surrogates, at most {@link MAX_DEPTH} levels and
 * {@link MAX_ITEMS} members and elements. Takes time in proportion to the bytes, and no stack for what is too deep.
 *
 * @returns undefined for anything else
 */
export function readObject(bytes: Buffer): JsonDocument | undefined {
  const outline = outlineOf(bytes);
  if (outline === undefined || !isUtf8(bytes)) return undefined;
  const text = bytes.toString("utf8");
  const value = parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const tally: Tally = { members: 0, elements: 0, escaped: outline.escaped };
  // JSON.parse keeps the last of two members with one name, so that fewer are left than there were colons.
  if (!count(value, tally) || tally.members !== outline.colons) return undefined;
  return tally.members + tally.elements <= MAX_ITEMS ? { text, value: value as JsonObject } : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** What one look at the bytes tells. */
interface Outline {
  /** Colons outside strings: the members as they are written. */
  readonly colons: number;
  /** Whether a string holds a `\u` escape, the only way to a lone surrogate in UTF-8. */
  readonly escaped: boolean;
}

/** Goes over the bytes once, before anything is built of them; undefined where they are too deep or too many. */
function outlineOf(bytes: Buffer): Outline | undefined {
  const end = bytes.length;
  let colons = 0;
  let commas = 0;
  let depth = 0;
  let escaped = false;
  for (let at = 0; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      for (at++; at < end && bytes[at] !== QUOTE; at++) {
        if (bytes[at] !== BACKSLASH) continue;
        at++;
        if (bytes[at] === LOWER_U) escaped = true;
      }
    } else if (byte === COLON) colons++;
    else if (byte === COMMA) commas++;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
    if (depth > MAX_DEPTH || colons > MAX_ITEMS || commas > MAX_ITEMS) return undefined;
  }
  return { colons, escaped };
}

interface Tally {
  members: number;
  elements: number;
  readonly escaped: boolean;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Adds what a value holds to the tally; false where a number or a string in it is refused. */
function count(value: unknown, tally: Tally): boolean {
  if (typeof value === "string") return !(tally.escaped && LONE_SURROGATE.test(value));
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) {
    tally.elements += value.length;
    return value.every((element) => count(element, tally));
  }
  const names = Object.keys(value);
  tally.members += names.length;
  for (const name of names) {
    if (tally.escaped && LONE_SURROGATE.test(name)) return false;
    if (!count((value as JsonObject)[name], tally)) return false;
  }
  return true;
}
