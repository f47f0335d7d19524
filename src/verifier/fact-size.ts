import type { Principal } from "../contract/verifier.js";
import { isObject, type JsonObject } from "../jws/json.js";
import type { VerificationKey } from "../keys/key.js";
import type { SignedToken } from "./signed-token.js";

// Estimates the memory that a fact takes, from how V8 lays out objects. All figures are in bytes; a slow test compares
// the estimate with the memory of a process.

/** What a fact is made of. */
export interface FactContent {
  readonly key: VerificationKey;
  readonly token: SignedToken;
  readonly principal: Principal | undefined;
  /** Whether the header is this token's alone, and not shared with other facts. */
  readonly hasOwnHeader: boolean;
}

/** A fact, its token, its digest, and their places in the cache. */
const FACT = 350;
/** A principal that is kept. */
const PRINCIPAL = 200;
/** The encoded members of a token, without the texts that they have in common with the claims. */
const ENCODED = 70;
/** A process takes more memory than its live objects: pages are not filled. */
const PAGES = 1.2;

/** A pointer, and what an object begins with at least: a pointer to its shape, and one each to further members and elements. */
const [POINTER, HEAD] = [8, 24];
/** Room in an object for this many members, and the most that are not in a hash table. */
const [INLINE, MOST_ORDERED] = [4, 19];
/** A hash table without its places, one of members whose names are an array's indices, and a place in either. */
const [TABLE, INDEX_TABLE, PLACE] = [64, 40, 24];
/** A name's place in V8's table of all names, what else it has about one of few members, and about a shape. */
const [NAME_PLACE, OWN_NAME, SHAPE] = [16, 16, 500];
/** A number that is no integer of 32 bits. */
const NUMBER = 16;
/** A text that is a part of the payload's: only what it refers to. Shorter ones are copied. */
const [PART, SHORTEST_PART] = [32, 13];
/** Any other text, without its characters. */
const TEXT = 16;
/** A list without its elements. */
const LIST = 32;

/** Most names and shapes that are remembered as known. */
const MAX_KNOWN = 4096;

/**
 * Estimates the memory of facts. It remembers the names and shapes of objects seen lately: V8 has the members of objects of
 * one shape in order, and of each name and shape one for all objects; it puts the members of an object in a hash table if
 * too many shapes differ.
 */
export class FactSizes {
  readonly #names = new Map<string, number>();
  /** Hashes over the numbers of a shape's names. If two shapes have the same one, an estimate is too low by a table. */
  readonly #shapes = new Set<number>();
  #named = 0;
  /** The last name that was known before the token at hand; those after it are that token's alone. */
  #known = 0;

  /** An estimate of the memory that a fact takes, in bytes: a little more than it does. */
  estimate({ token, principal, hasOwnHeader }: FactContent): number {
    const { header, claims, payload } = token;
    const width = isWide(payload) ? 2 : 1;
    this.#known = this.#named;
    const size =
      FACT +
      ENCODED +
      textsOf(token) +
      payload.length * width +
      this.#sizeOf(claims, width) +
      (hasOwnHeader ? this.#sizeOf(header, 1) + HEAD + JSON.stringify(header).length : 0) +
      (principal === undefined ? 0 : PRINCIPAL);
    return Math.ceil(size * PAGES);
  }

  #sizeOf(value: unknown, width: number): number {
    if (typeof value === "string") return sizeOfText(value, width);
    if (typeof value === "number") return (value | 0) === value ? 0 : NUMBER;
    if (Array.isArray(value)) return this.#sizeOfList(value, width);
    return isObject(value) ? this.#sizeOfObject(value, width) : 0;
  }

  #sizeOfList(list: readonly unknown[], width: number): number {
    if (list.length === 0) return LIST;
    let areNumbers = true;
    let size = 0;
    for (let index = 0; index < list.length; index++) {
      const element = list[index];
      areNumbers &&= typeof element === "number";
      size += this.#sizeOf(element, width);
    }
    // Numbers alone take the place of their pointers.
    return LIST + TEXT + list.length * POINTER + (areNumbers ? 0 : size);
  }

  #sizeOfObject(object: JsonObject, width: number): number {
    let size = HEAD + INLINE * POINTER;
    let count = 0;
    let indices = 0;
    let shape = 0;
    let own = 0;
    for (const name in object) {
      size += this.#sizeOf(object[name], width);
      if (INDEX.test(name)) {
        indices++;
        continue;
      }
      count++;
      const number = this.#names.get(name) ?? this.#remember(name);
      if (number > this.#known) {
        own++;
        size += TEXT + NAME_PLACE + align(name.length * width);
      }
      shape = (Math.imul(shape ^ number, 0x9e3779b1) >>> 2) + 1;
    }
    if (indices > 0) size += INDEX_TABLE + PLACE * places(indices);
    if (count > MOST_ORDERED) return size + TABLE + PLACE * places(count);
    const isNew = count > 0 && this.#isNewShape(shape);
    if (own > 0) return size + own * OWN_NAME + TABLE + PLACE * places(count);
    if (isNew) return size + SHAPE + PLACE * places(count);
    return count > INLINE ? size + TEXT + 3 * POINTER * Math.ceil((count - INLINE) / 3) : size;
  }

  /** Gives a name a number, after those of all names before it. */
  #remember(name: string): number {
    if (this.#names.size >= MAX_KNOWN) this.#names.clear();
    this.#names.set(name, ++this.#named);
    return this.#named;
  }

  #isNewShape(shape: number): boolean {
    if (this.#shapes.has(shape)) return false;
    if (this.#shapes.size >= MAX_KNOWN) this.#shapes.clear();
    this.#shapes.add(shape);
    return true;
  }
}

/** An estimate of the memory of one selector that a fact keeps. */
export const SELECTOR_SIZE = Math.ceil(80 * PAGES);

/** Whether V8 takes two bytes for each character of a text. */
const isWide = (text: string): boolean => /[\u0100-\uffff]/.test(text);

/** Characters of the texts that a token's encoded members have. */
function textsOf(token: SignedToken): number {
  let length = token.subject.length + token.issuer.length + token.id.length + token.keyId.length;
  for (const one of token.audience) length += one.length + 2;
  return length;
}

/** What JSON has to escape, or often does: such a text is no part of the payload's. */
const ESCAPED = /["\\/]|[^ -\uffff]/;

function sizeOfText(text: string, width: number): number {
  if (text.length >= SHORTEST_PART && !ESCAPED.test(text)) return PART;
  return TEXT + align(text.length * width);
}

/** An array's index for a name. */
const INDEX = /^(?:0|[1-9]\d{0,9})$/;

const align = (length: number): number => Math.ceil(length / POINTER) * POINTER;

/** The places of a hash table for this many members. */
const places = (members: number): number => Math.max(4, 2 ** Math.ceil(Math.log2(members * 1.5)));
