import type { KeyWords } from "./revocation.js";

/** Segments of a table, by the first 12 bits of a key. Each grows and is swept by itself, so that no turn has much to do. */
export const SEGMENTS = 4096;

/** Signed 32-bit words of a slot: the group and the rest of the key's first word, its second and third word, the time. */
const SLOT = 4;

/** Bits of the first word that are the key's; the segment tells those above them. */
const KEY_BITS = 20;
const KEY_MASK = 2 ** KEY_BITS - 1;

/** The last group: 12 bits are left for it in a slot, and 0 marks an empty one. */
export const LAST_GROUP = 2 ** 12 - 1;

/** Seconds since 1970 that stand for no time. Later ones than fit in 32 bits count as it: nothing is forgotten early. */
export const NO_TIME = 0xffff_ffff;

/** Most of a segment's slots that are in use: more makes looking through them slow. */
const FULL = 0.8;
/** Fewest slots of a segment that has entries. */
const MIN_SLOTS = 4;
/** Slots from which on a segment grows by a quarter instead of doubling. */
const LARGE = 64;

/** The segment of a table that has no entry there; never written to. */
const EMPTY = new Int32Array(SLOT);

/**
 * Keys of 96 bits, each with a group and a time, in 16 bytes a slot and 20 to 25 bytes an entry: open addressing with linear
 * probing, in {@link SEGMENTS} arrays outside V8's heap.
 */
export class RevocationTable {
  readonly #segments: Int32Array[] = Array.from({ length: SEGMENTS }, () => EMPTY);
  readonly #counts = new Uint32Array(SEGMENTS);
  #size = 0;
  #slots = 0;

  /** Slots of a segment when it gets its first entry. */
  #initial: number;

  /** @param expected entries that it has room for without growing: keys are spread evenly, give or take four deviations */
  constructor(expected = 0) {
    const mean = expected / SEGMENTS;
    this.#initial = mean < 1 ? MIN_SLOTS : Math.ceil((mean + 4 * Math.sqrt(mean)) / FULL);
  }

  /** Number of entries. */
  get size(): number {
    return this.#size;
  }

  /** Memory of all slots, in use or not. */
  get bytes(): number {
    return this.#slots * SLOT * 4;
  }

  /** The time of a key; -1 if it is not there. Allocates nothing. */
  find(key: KeyWords): number {
    const slots = this.#segments[segmentOf(key)] as Int32Array;
    const at = slotOf(slots, key);
    return slots[at] === 0 ? -1 : (slots[at + 3] as number) >>> 0;
  }

  /**
   * Puts an entry. A key that is there keeps the later of the two times.
   *
   * @param group 1 to {@link LAST_GROUP}; the same for each entry of a key
   * @param time seconds since 1970, 0 to {@link NO_TIME}
   * @returns whether the key is new
   */
  put(key: KeyWords, group: number, time: number): boolean {
    const index = segmentOf(key);
    let slots = this.#segments[index] as Int32Array;
    let at = slotOf(slots, key);
    if (slots[at] !== 0) {
      if (time > (slots[at + 3] as number) >>> 0) slots[at + 3] = time;
      return false;
    }
    const count = (this.#counts[index] as number) + 1;
    const capacity = slots.length / SLOT;
    if (count > capacity * FULL) {
      const grown = capacity < LARGE ? capacity * 2 : Math.ceil(capacity * 1.25);
      slots = this.#resize(index, slots === EMPTY ? this.#initial : grown);
      at = slotOf(slots, key);
    }
    slots[at] = (group << KEY_BITS) | (key.first & KEY_MASK);
    slots[at + 1] = key.second;
    slots[at + 2] = key.third;
    slots[at + 3] = time;
    this.#counts[index] = count;
    this.#size++;
    return true;
  }

  /** Removes a key. @returns its group; 0 if it was not there */
  remove(key: KeyWords): number {
    const index = segmentOf(key);
    const slots = this.#segments[index] as Int32Array;
    const at = slotOf(slots, key);
    const group = (slots[at] as number) >>> KEY_BITS;
    if (group === 0) return 0;
    closeGap(slots, at);
    this.#counts[index] = (this.#counts[index] as number) - 1;
    this.#size--;
    return group;
  }

  /**
   * Removes the entries of one segment that have ended, and gives back memory that they had. Takes some tenths of a
   * millisecond at ten million entries.
   *
   * @param hasEnded called for each entry
   * @param onRemoved called with the group of each entry that is removed
   * @returns slots that were looked at
   */
  sweep(index: number, hasEnded: (group: number, time: number) => boolean, onRemoved: (group: number) => void): number {
    const slots = this.#segments[index] as Int32Array;
    let ended = 0;
    for (let at = 0; at < slots.length; at += SLOT) {
      const group = (slots[at] as number) >>> KEY_BITS;
      if (group === 0 || !hasEnded(group, (slots[at + 3] as number) >>> 0)) continue;
      // Its place stays taken until the rest has moved.
      slots[at + 3] = 0;
      slots[at] = (slots[at] as number) & KEY_MASK;
      onRemoved(group);
      ended++;
    }
    if (ended === 0) return slots.length / SLOT;
    this.#size -= ended;
    const count = (this.#counts[index] as number) - ended;
    this.#counts[index] = count;
    const capacity = slots.length / SLOT;
    // What the table was made for has gone.
    if (count === 0) this.#initial = MIN_SLOTS;
    const isSparse = count < (capacity * FULL) / 2;
    const enough = count === 0 ? 0 : Math.max(MIN_SLOTS, Math.ceil(count / (FULL * FULL)));
    this.#resize(index, isSparse ? enough : capacity);
    return capacity;
  }

  /** Moves the entries of a segment to a new array. @param capacity its slots; 0 for an empty one */
  #resize(index: number, capacity: number): Int32Array {
    const from = this.#segments[index] as Int32Array;
    const to = capacity === 0 ? EMPTY : new Int32Array(capacity * SLOT);
    for (let at = 0; at < from.length; at += SLOT) {
      const word = from[at] as number;
      if (word >>> KEY_BITS === 0) continue;
      let next = homeOf(to, from[at + 1] as number);
      while (to[next] !== 0) next = after(to, next);
      to[next] = word;
      to[next + 1] = from[at + 1] as number;
      to[next + 2] = from[at + 2] as number;
      to[next + 3] = from[at + 3] as number;
    }
    this.#slots += capacity - (from === EMPTY ? 0 : from.length / SLOT);
    this.#segments[index] = to;
    return to;
  }
}

/** The slot that a key would be in if no other were. */
const homeOf = (slots: Int32Array, second: number): number =>
  Math.floor(((second >>> 0) * (slots.length / SLOT)) / 2 ** 32) * SLOT;

const after = (slots: Int32Array, at: number): number => (at + SLOT === slots.length ? 0 : at + SLOT);

const segmentOf = ({ first }: KeyWords): number => first >>> KEY_BITS;

/** The slot of a key, or the empty one where it would be put. A segment always has an empty one. */
function slotOf(slots: Int32Array, { first, second, third }: KeyWords): number {
  let at = homeOf(slots, second);
  for (;;) {
    const word = slots[at] as number;
    if (word === 0) return at;
    if (((word ^ first) & KEY_MASK) === 0 && slots[at + 1] === second && slots[at + 2] === third) return at;
    at += SLOT;
    if (at === slots.length) at = 0;
  }
}

/** Empties a slot, and moves the entries after it that would not be found past an empty one. */
function closeGap(slots: Int32Array, gap: number): void {
  let empty = gap;
  for (let at = after(slots, gap); slots[at] !== 0; at = after(slots, at)) {
    const home = homeOf(slots, slots[at + 1] as number);
    // An entry whose home lies after the gap stays reachable.
    const isReachable = empty < at ? home > empty && home <= at : home > empty || home <= at;
    if (isReachable) continue;
    slots.copyWithin(empty, at, at + SLOT);
    empty = at;
  }
  slots.fill(0, empty, empty + SLOT);
}
