import type { VerificationKey } from "../key.js";
import { KeySet } from "../key-set.js";
import type { KeySource } from "../source.js";
import type { RemoteKeys } from "./remote-keys.js";

/**
 * A source of configured keys together with those that issuers publish, in this order. While one issuer's keys cannot
 * be had, those of the others verify; but a token that none of them fits has no verdict then.
 *
 * @param remotes at least one
 */
export function networkSource(configured: readonly VerificationKey[], remotes: readonly RemoteKeys[]): KeySource {
  const fixed = configured.length === 0 ? [] : [new KeySet(configured)];
  let parts: readonly KeySet[] = [];
  let union: KeySet | undefined;

  /** One set of several: made anew only where one of them is another. */
  function unite(sets: readonly KeySet[]): KeySet | undefined {
    if (sets.length < 2) return sets[0];
    if (sets.length !== parts.length || sets.some((set, index) => set !== parts[index])) {
      parts = sets;
      union = new KeySet(sets.flatMap(({ keys }) => keys));
    }
    return union;
  }

  const [only] = remotes;
  const alone = fixed.length === 0 && remotes.length === 1 ? only : undefined;
  return {
    current: (now) =>
      alone === undefined ? unite([...fixed, ...remotes.flatMap((one) => one.current(now) ?? [])]) : alone.current(now),
    answers: (kid, since, now) => remotes.every((one) => one.answers(kid, since, now)),
    load: async (kid, since, deadline) => {
      const waits = await Promise.all(remotes.map((one) => one.load(kid, since, deadline)));
      // Where one of them has the key now, the others do not matter.
      if (kid !== undefined && remotes.some((one) => one.hasKid(kid))) return undefined;
      const refused = waits.filter((wait) => wait !== undefined);
      return refused.length === 0 ? undefined : Math.max(...refused);
    },
    age: (now) => {
      const oldest = Math.min(...remotes.map(({ fetchedAt }) => fetchedAt));
      return oldest === Number.NEGATIVE_INFINITY ? undefined : Math.max(0, now - oldest);
    },
    isStale: () => remotes.some(({ isStale }) => isStale),
  };
}
