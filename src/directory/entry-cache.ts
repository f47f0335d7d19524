import { LRUCache } from "lru-cache";

/** The most entries to hold. */
export interface CacheBounds {
  /** Entries that exist. */
  readonly known: number;
  /** Entries known not to exist; bounded separately, so that look-ups of nonsense evict no real entry. */
  readonly unknown: number;
}

/**
 * Entries of one kind by key, the least recently used evicted first. Null is an entry known not to exist.
 *
 * @typeParam Group what {@link dropGroups} selects by
 */
export class EntryCache<Value extends object, Group extends string = string> {
  readonly #known: LRUCache<string, { readonly value: Value; readonly group: Group }>;
  readonly #unknown: LRUCache<string, Group>;

  constructor(bounds: CacheBounds) {
    this.#known = new LRUCache({ max: bounds.known });
    this.#unknown = new LRUCache({ max: bounds.unknown });
  }

  /** The number of existing entries in the cache. */
  get size(): number {
    return this.#known.size;
  }

  /** The entry of a key; null if it is known not to exist; undefined if it is not cached. */
  get(key: string): Value | null | undefined {
    const entry = this.#known.get(key);
    if (entry !== undefined) return entry.value;
    return this.#unknown.get(key) === undefined ? undefined : null;
  }

  /** Caches a value, or null for its absence. @param group a text that is not empty */
  set(key: string, value: Value | null, group: Group): void {
    if (value === null) {
      this.#known.delete(key);
      this.#unknown.set(key, group);
    } else {
      // Overwrites instead of deleting first: deleting the only entry makes lru-cache reset all of its arrays.
      this.#unknown.delete(key);
      this.#known.set(key, { value, group });
    }
  }

  /** Drops the entry of a key. */
  drop(key: string): void {
    this.#known.delete(key);
    this.#unknown.delete(key);
  }

  /** Drops all entries of some groups. Takes time in proportion to the size of the cache. */
  dropGroups(groups: ReadonlySet<Group>): void {
    for (const [key, { group }] of this.#known.entries()) if (groups.has(group)) this.#known.delete(key);
    for (const [key, group] of this.#unknown.entries()) if (groups.has(group)) this.#unknown.delete(key);
  }

  /** Drops all entries. */
  clear(): void {
    this.#known.clear();
    this.#unknown.clear();
  }
}

/** One key for a pair of texts, different for every pair, whatever characters the texts contain. */
export function pairKey(first: string, second: string): string {
  return `${first.length}:${first}${second}`;
}
