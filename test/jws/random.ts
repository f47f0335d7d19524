/** A pseudorandom generator: the same seed gives the same numbers. */
export interface Random {
  /** Returns a whole number from 0 to below this one. */
  below(limit: number): number;
  /** Returns true with a chance of one in this many. */
  oneIn(many: number): boolean;
  /** Returns one element of a list, which must not be empty. */
  of<T>(list: readonly T[]): T;
  /** Returns this many random bytes. */
  bytes(length: number): Buffer;
}

/** Creates a generator (mulberry32). @param seed a whole number, of which the lowest 32 bits count */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit: number): number => next() % limit;
  return {
    below,
    oneIn: (many) => below(many) === 0,
    of: <T>(list: readonly T[]): T => list[below(list.length)] as T,
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  };
}
