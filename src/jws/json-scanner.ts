import { isUtf8 } from "node:buffer";
import { addMember, type Members, OutermostObject } from "./json-members.js";
import { type JsonFault, MAX_DEPTH, MAX_ITEMS, type Rules } from "./json-rules.js";
import { addToHash, MemberNames } from "./member-names.js";

const QUOTE = 0x22;
const COMMA = 0x2c;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const UPPER_E = 0x45;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LOWER_E = 0x65;
const LOWER_F = 0x66;
const LOWER_N = 0x6e;
const LOWER_T = 0x74;
const LOWER_U = 0x75;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** First byte that is not ASCII. */
const NON_ASCII = 0x80;

/** What reading past the last byte yields. */
const END = -1;

/** Most digits of an integer that is exact in a double whatever they are. */
const EXACT_DIGITS = 15;

/** A number (RFC 8259 section 6). */
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

/** The character of each letter after a backslash (RFC 8259, section 7). */
const ESCAPES: ReadonlyMap<number, string> = new Map(
  Object.entries({ '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }).map(
    ([letter, meaning]) => [letter.charCodeAt(0), meaning],
  ),
);

/** 1 for each byte that is a character of a string by itself: ASCII but for quotes, backslashes and control characters. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < NON_ASCII && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);

const NAMES = new MemberNames();

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Reads one JSON text (RFC 8259) in a single pass, in time proportional to its length and without recursion.
 *
 * JSON.parse must not see untrusted text: in V8 12.8 and later it misreads escaped member names once any text had a
 * member name that ends in a backslash (https://github.com/nodejs/node/issues/63785).
 */
export class JsonScanner {
  /** The member name for which the text was refused as a duplicate. */
  duplicate: string | undefined;
  readonly #bytes: Buffer;
  readonly #strict: boolean;
  readonly #maxItems: number;
  readonly #maxDepth: number;
  /** The decoded text; while {@link #isUtf8} is false, that of bytes in Latin-1, which is right for ASCII. */
  #text: string;
  /** Whether a byte beyond ASCII was met, and the bytes were found to be UTF-8. */
  #isUtf8 = false;
  #fault: JsonFault = "not JSON";
  /** The byte to read next. Bytes are read faster than characters of the text. */
  #at = 0;
  /** How many bytes more than characters of the text come before it: `#at - #surplus` is its place in the text. */
  #surplus = 0;
  #items = 0;

  /** @param bytes UTF-8 @param maxItems most members and elements, by strict rules @param maxDepth most levels of nesting */
  constructor(bytes: Buffer, rules: Rules, maxItems = MAX_ITEMS, maxDepth = MAX_DEPTH) {
    this.#bytes = bytes;
    this.#strict = rules === "strict";
    this.#maxItems = maxItems;
    this.#maxDepth = maxDepth;
    this.#text = bytes.toString("latin1");
  }

  /** The decoded text, once it was read and not refused. */
  get text(): string {
    return this.#text;
  }

  /** Why the text was refused; means nothing if it was not. */
  get fault(): JsonFault {
    return isUtf8(this.#bytes) ? this.#fault : "not UTF-8";
  }

  /** Reads the whole text. Call it once. @returns undefined if the text is refused */
  read(): unknown {
    const bytes = this.#bytes;
    const end = bytes.length;
    /** What is around the innermost open object or array, outermost first, and after each the name of the member within. */
    const outer: (Members | unknown[] | string)[] = [];
    let inner: Members | unknown[] | undefined;
    let inObject = false;
    let depth = 0;
    let name = "";
    let at = 0;
    for (;;) {
      at = skipSpace(bytes, at, end);
      const first = at < end ? (bytes[at] as number) : END;
      let value: unknown;
      if (first === QUOTE) {
        let close = at + 1;
        while (close < end && PLAIN[bytes[close] as number] === 1) close++;
        if (close < end && bytes[close] === QUOTE) {
          value = this.#text.slice(at + 1 - this.#surplus, close - this.#surplus);
          at = close + 1;
        } else {
          this.#at = at;
          value = this.#string();
          at = this.#at;
        }
      } else if (first === OPEN_BRACE || first === OPEN_BRACKET) {
        if (depth === this.#maxDepth) return this.#refuse("too deep");
        const opensObject = first === OPEN_BRACE;
        const fresh = opensObject ? (depth === 0 ? new OutermostObject() : {}) : [];
        at = skipSpace(bytes, at + 1, end);
        if (at < end && bytes[at] === (opensObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
          at++;
          value = fresh;
        } else {
          if (inner !== undefined) outer.push(inner, name);
          inner = fresh;
          inObject = opensObject;
          depth++;
          this.#at = at;
          const next = this.#nextItem(inObject);
          if (next === undefined) return undefined;
          at = this.#at;
          name = next;
          continue;
        }
      } else {
        this.#at = at;
        value = this.#bare(first);
        at = this.#at;
      }
      if (value === undefined) return undefined;
      // Adds the value to what it is in, and closes everything that ends there.
      for (;;) {
        if (inner === undefined) return skipSpace(bytes, at, end) === end ? value : undefined;
        if (!inObject) (inner as unknown[]).push(value);
        else if (!addMember(inner as Members, name, value, !this.#strict)) return this.#refuseDuplicate(name);
        at = skipSpace(bytes, at, end);
        const next = at < end ? (bytes[at] as number) : END;
        at++;
        if (next === COMMA) {
          this.#at = at;
          const nextName = this.#nextItem(inObject);
          if (nextName === undefined) return undefined;
          at = this.#at;
          name = nextName;
          break;
        }
        if (next !== (inObject ? CLOSE_BRACE : CLOSE_BRACKET)) return undefined;
        // The copy is as long as the array: push() reserves room for 16 elements more.
        value = inObject ? inner : (inner as unknown[]).slice();
        depth--;
        if (depth === 0) inner = undefined;
        else {
          name = outer.pop() as string;
          inner = outer.pop() as Members | unknown[];
          inObject = !Array.isArray(inner);
        }
      }
    }
  }

  /** Counts an element or a member, and reads the member's name and colon; the name of an element is empty. */
  #nextItem(inObject: boolean): string | undefined {
    if (++this.#items > this.#maxItems && this.#strict) return this.#refuse("too many items");
    if (!inObject) return "";
    const bytes = this.#bytes;
    const end = bytes.length;
    let at = skipSpace(bytes, this.#at, end);
    if (at >= end || bytes[at] !== QUOTE) return undefined;
    this.#at = at;
    const name = this.#name();
    at = skipSpace(bytes, this.#at, end);
    if (at >= end || bytes[at] !== COLON) return undefined;
    this.#at = at + 1;
    return name;
  }

  /** The string that is a member's name. */
  #name(): string | undefined {
    const bytes = this.#bytes;
    const end = bytes.length;
    const start = this.#at + 1;
    let at = start;
    let hash = 0;
    while (at < end) {
      const byte = bytes[at] as number;
      if (PLAIN[byte] !== 1) {
        if (byte !== QUOTE) return this.#string();
        this.#at = at + 1;
        return NAMES.get(bytes, start, at, hash);
      }
      hash = addToHash(hash, byte);
      at++;
    }
    return undefined;
  }

  #refuseDuplicate(name: string): undefined {
    this.duplicate = name;
    return this.#refuse("duplicate member");
  }

  #string(): string | undefined {
    const bytes = this.#bytes;
    const end = bytes.length;
    let at = this.#at + 1;
    let surplus = this.#surplus;
    const start = at - surplus;
    while (at < end) {
      const byte = bytes[at] as number;
      if (PLAIN[byte] !== 1) {
        if (byte === QUOTE) {
          this.#at = at + 1;
          this.#surplus = surplus;
          return this.#text.slice(start, at - surplus);
        }
        if (byte === BACKSLASH) {
          this.#at = at;
          this.#surplus = surplus;
          return this.#escapedString(start);
        }
        if (byte < 0x20 || !this.#decode()) return undefined;
        surplus += surplusOf(byte);
      }
      at++;
    }
    return undefined;
  }

  /** Decodes the text as UTF-8, which it is not yet if this byte is the first beyond ASCII. @returns false if it is no UTF-8 */
  #decode(): boolean {
    if (this.#isUtf8) return true;
    if (!isUtf8(this.#bytes)) return false;
    this.#text = this.#bytes.toString("utf8");
    this.#isUtf8 = true;
    return true;
  }

  /** A string from its first backslash on. @param start where its characters begin in the text */
  #escapedString(start: number): string | undefined {
    const bytes = this.#bytes;
    const end = bytes.length;
    let at = this.#at;
    let surplus = this.#surplus;
    let value = "";
    /** Where the characters begin in the text that stand for themselves and are not in the value yet. */
    let plain = start;
    while (at < end) {
      const byte = bytes[at] as number;
      if (byte !== BACKSLASH && byte !== QUOTE) {
        if (byte < 0x20) return undefined;
        if (byte >= NON_ASCII) {
          if (!this.#decode()) return undefined;
          surplus += surplusOf(byte);
        }
        at++;
        continue;
      }
      if (at - surplus > plain) value += this.#text.slice(plain, at - surplus);
      if (byte === QUOTE) {
        this.#at = at + 1;
        this.#surplus = surplus;
        // UTF-8 has no surrogates, so only escapes can spell one. The test also turns the parts into one flat string.
        return this.#strict && LONE_SURROGATE.test(value) ? this.#refuse("half a character") : value;
      }
      const letter = bytes[at + 1] ?? END;
      if (letter === LOWER_U) {
        const code = this.#hex(at + 2);
        if (code < 0) return undefined;
        value += String.fromCharCode(code);
        at += 6;
      } else {
        const meaning = ESCAPES.get(letter);
        if (meaning === undefined) return undefined;
        value += meaning;
        at += 2;
      }
      plain = at - surplus;
    }
    return undefined;
  }

  /** The number that four hexadecimal digits spell; negative if they are not digits. */
  #hex(at: number): number {
    const bytes = this.#bytes;
    return (
      (hexDigit(bytes[at]) << 12) |
      (hexDigit(bytes[at + 1]) << 8) |
      (hexDigit(bytes[at + 2]) << 4) |
      hexDigit(bytes[at + 3])
    );
  }

  /** A value that is neither a string, an object nor an array. */
  #bare(first: number): unknown {
    if (first === LOWER_T) return this.#word("true", true);
    if (first === LOWER_F) return this.#word("false", false);
    if (first === LOWER_N) return this.#word("null", null);
    return this.#number();
  }

  #word<T>(word: string, value: T): T | undefined {
    if (!this.#text.startsWith(word, this.#at - this.#surplus)) return undefined;
    this.#at += word.length;
    return value;
  }

  #number(): number | undefined {
    const bytes = this.#bytes;
    const end = bytes.length;
    const start = this.#at;
    let at = start;
    let byte = END;
    let integer = 0;
    for (; at < end; at++) {
      byte = bytes[at] as number;
      if (byte < ZERO || byte > NINE) break;
      integer = integer * 10 + byte - ZERO;
    }
    const digits = at - start;
    const isExact = digits === 1 || (digits > 1 && digits <= EXACT_DIGITS && bytes[start] !== ZERO);
    if (isExact && byte !== DOT && byte !== LOWER_E && byte !== UPPER_E) {
      this.#at = at;
      return integer;
    }
    NUMBER.lastIndex = start - this.#surplus;
    const text = NUMBER.exec(this.#text)?.[0];
    if (text === undefined) return undefined;
    this.#at += text.length;
    const value = Number(text);
    return this.#strict && !Number.isFinite(value) ? this.#refuse("number too large") : value;
  }

  #refuse(fault: JsonFault): undefined {
    this.#fault = fault;
  }
}

/** The first place from `at` on whose byte is not white space; the end if there is none. */
function skipSpace(bytes: Buffer, at: number, end: number): number {
  let next = at;
  while (next < end) {
    const byte = bytes[next] as number;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
    next++;
  }
  return next;
}

/**
 * What one byte of a character beyond ASCII adds to the surplus: of a character's bytes, the first counts as one
 * character of the text, and as two (a surrogate pair) if there are four bytes.
 */
function surplusOf(byte: number): number {
  if (byte < 0xc0) return 1;
  return byte < 0xf0 ? 0 : -1;
}

/** The value of a hexadecimal digit; negative for anything else. */
function hexDigit(byte = END): number {
  if (byte >= ZERO && byte <= NINE) return byte - ZERO;
  const lower = byte | 0x20;
  return lower > 0x60 && lower < 0x67 ? lower - 0x57 : -1;
}
