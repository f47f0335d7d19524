import { type MemberPath, readJson } from "./json.js";

// The payload's exact text, where parsing loses something: 12345678901234567890 is another number once it is a double.

/**
 * The compact JSON text of a top-level member's value: numbers keep their spelling (12345678901234567890 is not rounded,
 * 1.0 stays 1.0) and members their order, strings are written as JSON.stringify writes them, and white space between
 * tokens is dropped, at any level.
 *
 * @param json the text of an object that `readObject` accepted; for any other text the result means nothing
 * @param name the member's name without escapes
 * @returns undefined if there is no such member
 */
export function memberText(json: string, name: string): string | undefined {
  let at = skipSpace(json, json.indexOf("{") + 1);
  while (json[at] === '"') {
    const nameEnd = stringEnd(json, at);
    const valueStart = skipSpace(json, nameEnd) + 1;
    const valueEnd = endOfValue(json, valueStart);
    if (stringIn(json.slice(at, nameEnd)) === name) return compact(json.slice(valueStart, valueEnd));
    at = skipSpace(json, valueEnd + 1);
  }
  return undefined;
}

/** The same for the value at a path, which leads through objects only. */
export function textAt(json: string, path: MemberPath): string | undefined {
  const [name = "", ...rest] = path;
  const text = memberText(json, name);
  if (rest.length === 0 || text === undefined) return text;
  return text.startsWith("{") ? textAt(text, rest) : undefined;
}

/** The texts of a list's elements. @param list the compact text of a list, as {@link memberText} writes it */
export function elementTexts(list: string): readonly string[] {
  const texts: string[] = [];
  let at = 1;
  while (at < list.length - 1) {
    const end = endOfValue(list, at);
    texts.push(list.slice(at, end));
    at = end + 1;
  }
  return texts;
}

/** A number in JSON (RFC 8259 section 6). */
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,15}))?$/;

/**
 * Whether two JSON texts spell the same number exactly: 1, 1.0 and 10e-1 do; 9007199254740993 and 9007199254740992 do
 * not, although both parse to the same double.
 */
export function isSameNumber(a: string, b: string): boolean {
  if (a === b) return true;
  const first = normal(a);
  return first !== undefined && first === normal(b);
}

/** The one spelling of a number: its digits without zeros at either end, and the power of ten of the last digit. */
function normal(text: string): string | undefined {
  const parts = NUMBER.exec(text);
  if (parts === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = parts;
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  let end = digits.length;
  // The pattern /0+$/ would take quadratic time for zeros between other digits.
  while (digits[end - 1] === "0") end--;
  const significant = digits.slice(0, end);
  if (significant === "") return "0";
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}

/** The value of a string literal. */
function stringIn(literal: string): unknown {
  return literal.includes("\\") ? readJson(Buffer.from(literal)) : literal.slice(1, -1);
}

/** The index of the comma, brace or bracket after a value. */
function endOfValue(json: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < json.length) {
    const char = json[at];
    if (char === '"') {
      at = stringEnd(json, at);
      continue;
    }
    if (depth === 0 && (char === "," || char === "}" || char === "]")) return at;
    if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
    at++;
  }
  return at;
}

function compact(json: string): string {
  let text = "";
  let at = 0;
  while (at < json.length) {
    if (json[at] === '"') {
      const end = stringEnd(json, at);
      text += JSON.stringify(stringIn(json.slice(at, end)));
      at = end;
    } else {
      if (!isSpace(json[at])) text += json[at];
      at++;
    }
  }
  return text;
}

/** The index after the closing quote of the string that begins at `start`. */
function stringEnd(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** The index of the first character from `start` on that is not white space. */
function skipSpace(json: string, start: number): number {
  let at = start;
  while (isSpace(json[at])) at++;
  return at;
}

function isSpace(char: string | undefined): boolean {
  return char === " " || char === "\n" || char === "\r" || char === "\t";
}
