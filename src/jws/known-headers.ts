import { isObject, type JsonObject } from "./json.js";

/** Most headers that are kept. */
const MOST = 256;

/** Most characters of a header that is kept. Below {@link MAX_ITEMS} members and elements fit into them. */
const LONGEST = 512;

interface Known {
  readonly header: JsonObject;
  readonly ignoreHeaders: ReadonlySet<string>;
  readonly nullClaims: boolean;
}

/** How a header was read; another way of reading may read another one from the same text. */
type Reading = Omit<Known, "header">;

/**
 * Headers that were read before, by their exact text. Most tokens of an issuer have the same one. It holds 256 headers of
 * at most 512 characters, up to 2 MB, and drops the oldest for a new one. A header that it returns is frozen, since all
 * tokens that have it share it.
 */
export class KnownHeaders {
  readonly #known = new Map<string, Known>();

  /** The header of this text, if it was read in this way before. @param text the first segment of a token */
  get(text: string, { ignoreHeaders, nullClaims }: Reading): JsonObject | undefined {
    if (text.length > LONGEST) return undefined;
    const known = this.#known.get(text);
    if (known === undefined || known.nullClaims !== nullClaims) return undefined;
    const isSame = known.ignoreHeaders === ignoreHeaders || known.ignoreHeaders.size + ignoreHeaders.size === 0;
    return isSame ? known.header : undefined;
  }

  /** Keeps a header that is accepted, and freezes it. @param bytes those that its text encodes */
  set(bytes: Buffer, header: JsonObject, { ignoreHeaders, nullClaims }: Reading): void {
    // Encoded again, since a slice of the token would keep the whole token in memory.
    const text = bytes.toString("base64url");
    if (text.length > LONGEST) return;
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value as string);
    this.#known.set(text, { header: freeze(header), ignoreHeaders, nullClaims });
  }
}

/** Freezes an object and all that is in it. */
function freeze(object: JsonObject): JsonObject {
  for (const value of Object.values(object)) if (isObject(value) || Array.isArray(value)) freeze(value as JsonObject);
  return Object.freeze(object);
}
