import { LRUCache } from "lru-cache";

/** How many entries to remember. */
export interface Bounds {
  /** What exists. */
  readonly known: number;
  /** What is known not to exist; bounded apart, so that asking for nonsense drives nothing real out. */
  readonly unknown: number;
}

/**
 * What was read of one kind of record, by key: the least recently used is forgotten first. Null stands for what is known
 * not to exist.
 *
 * @typeParam Group what {@link dropGroups} goes by
 */
export class Entries<Value extends object, Group extends string = string> {
  readonly #known: LRUCache<string, { readonly value: Value; readonly group: Group }>;
  readonly #unknown: LRUCache<string, Group>;

  constructor(bounds: Bounds) {
    this.#known = new LRUCache({ max: bounds.known });
    this.#unknown = new LRUCache({ max: bounds.unknown });
  }

  /** How many entries of what exists are remembered. */
  get size(): number {
    return this.#known.size;
  }

  /** The entry of a key; null where there is known to be none; undefined where nothing is known. */
  get(key: string): Value | null | undefined {
    const entry = this.#known.get(key);
    if (entry !== undefined) return entry.value;
    return this.#unknown.get(key) === undefined ? undefined : null;
  }

  /** Remembers a value, or null for its absence. @param group a text that is not empty */
  set(key: string, value: Value | null, group: Group): void {
    if (value === null) {
      this.#known.delete(key);
      this.#unknown.set(key, group);
    } else {
      // Put over what is there: to delete the last entry first takes the time of making the whole cache anew.
      this.#unknown.delete(key);
      this.#known.set(key, { value, group });
    }
  }

  /** Forgets what is known of a key. */
  drop(key: string): void {
    this.#known.delete(key);
    this.#unknown.delete(key);
  }

  /** Forgets all entries of some groups. Takes time in proportion to all that is remembered. */
  dropGroups(groups: ReadonlySet<Group>): void {
    for (const [key, { group }] of this.#known.entries()) if (groups.has(group)) this.#known.delete(key);
    for (const [key, group] of this.#unknown.entries()) if (groups.has(group)) this.#unknown.delete(key);
  }

  /** Forgets everything. */
  clear(): void {
    this.#known.clear();
    this.#unknown.clear();
  }
}

/** One text for two, that no other two have, whatever characters are in them. */
export function pairKey(first: string, second: string): string {
  return `${first.length}:${first}${second}`;
}
