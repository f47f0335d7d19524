import type { VerificationKey } from "./key.js";
import { KeySet } from "./key-set.js";

/** Where a realm's keys come from, and how fresh they are. All times are in milliseconds since 1970. */
export interface KeySource {
  /** The keys trusted now; undefined: none is usable yet, or no longer. The same object as long as nothing changed. */
  current(now: number): KeySet | undefined;
  /**
   * Whether {@link current} answers a question that none of its keys fits: it names the key that is sought, or nothing
   * that was published by the time of the question can be missing. True always for configured keys.
   *
   * @param kid the one that is sought; undefined: any key
   * @param since when the question came
   */
  answers(kid: string | undefined, since: number, now: number): boolean;
  /**
   * Has the keys fetched where that may help: none are usable, or what is known does not answer. Never rejects.
   *
   * @param deadline when waiting is of no more use
   * @returns undefined where looking at {@link current} again is of use; else how many milliseconds later another
   * fetch may be had
   */
  load(kid: string | undefined, since: number, deadline: number): Promise<number | undefined>;
  /** Milliseconds since the keys were last fetched, the oldest of them; undefined for configured keys, which are of no age. */
  age(now: number): number | undefined;
  /** Whether keys are used beyond their time, for they cannot be fetched at the moment. */
  isStale(): boolean;
}

/** A source of keys that stand in the configuration. */
export function staticSource(keys: Iterable<VerificationKey>): KeySource {
  const set = new KeySet(keys);
  return {
    current: () => set,
    answers: () => true,
    load: () => Promise.resolve(undefined),
    age: () => undefined,
    isStale: () => false,
  };
}
