import type { VerificationKey } from "./key.js";
import { KeySet } from "./key-set.js";

/** Where a realm's keys come from, and how fresh they are. All times are in milliseconds since 1970. */
export interface KeySource {
  /** The keys trusted now; undefined: none is usable yet, or no longer. The same object as long as nothing changed. */
  current(now: number): KeySet | undefined;
  /**
   * Has the keys fetched where that may help: none are usable, or none has this `kid`. Neither rejects nor says what
   * came of it: look at {@link current} again.
   *
   * @param kid the one that is sought; undefined: any keys
   * @param deadline when waiting is of no more use
   */
  load(kid: string | undefined, deadline: number): Promise<void>;
  /** Milliseconds since the keys were last fetched; undefined for configured keys, which are of no age. */
  age(now: number): number | undefined;
}

/** A source of keys that stand in the configuration. */
export function staticSource(keys: Iterable<VerificationKey>): KeySource {
  const set = new KeySet(keys);
  return {
    current: () => set,
    load: () => Promise.resolve(),
    age: () => undefined,
  };
}
