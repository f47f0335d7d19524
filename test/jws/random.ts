/** A generator of numbers that a seed decides: the same seed, the same numbers. */
export interface Random {
  /** A whole number from 0 up to, and without, this one. */
  below(limit: number): number;
  /** Whether a chance of one in so many came up. */
  oneIn(many: number): boolean;
  /** One of a list that is not empty. */
  of<T>(list: readonly T[]): T;
  /** So many bytes. */
  bytes(length: number): Buffer;
}

/** Makes one (mulberry32). @param seed any whole number; its lowest 32 bits count */
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
