/** Most bytes of a name that is kept. */
const LONGEST = 32;

/** How many names are kept; a power of two. A company's tokens have some hundred names. */
const PLACES = 2_048;

/**
 * Names of members that were read before, so that a name that comes again costs no new string and no look-up among V8's
 * names. It holds 2,048 names of at most 32 ASCII characters, about 200 KB. Each name has two places, and a new one takes
 * the place of the one that came before the last, so that no flood of names keeps a name out for good.
 */
export class MemberNames {
  readonly #names: string[] = Array.from({ length: PLACES }, () => "");

  /**
   * The name that some bytes spell.
   *
   * @param bytes ASCII from `start` to `end`
   * @param hash of these bytes, as {@link addToHash} makes it; another one finds the same name, only more slowly
   */
  get(bytes: Buffer, start: number, end: number, hash: number): string {
    const place = (hash ^ (hash >>> 11)) & (PLACES - 2);
    const first = this.#names[place] as string;
    if (isSpelt(first, bytes, start, end)) return first;
    const second = this.#names[place + 1] as string;
    if (isSpelt(second, bytes, start, end)) return second;
    // Not a slice of the text: a slice would keep the text in memory.
    const name = bytes.toString("latin1", start, end);
    if (end - start <= LONGEST) {
      this.#names[place + 1] = first;
      this.#names[place] = name;
    }
    return name;
  }
}

/** The hash of a name and one byte more; that of no bytes is 0. */
export function addToHash(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

function isSpelt(name: string, bytes: Buffer, start: number, end: number): boolean {
  const { length } = name;
  if (length !== end - start) return false;
  for (let at = 0; at < length; at++) if (name.charCodeAt(at) !== bytes[start + at]) return false;
  return true;
}
