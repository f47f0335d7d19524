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

  const isNamed = (kid: string | undefined): boolean =>
    kid !== undefined && [...fixed, ...remotes.flatMap(({ set }) => set ?? [])].some((set) => set.hasKid(kid));

  const [only] = remotes;
  const alone = fixed.length === 0 && remotes.length === 1 ? only : undefined;
  return {
    current: (now) =>
      alone === undefined ? unite([...fixed, ...remotes.flatMap((one) => one.current(now) ?? [])]) : alone.current(now),
    answers: (kid, since, now) =>
      // Under a name that is known, no other key is looked for; but a set that cannot be had may hold one of that name too.
      isNamed(kid)
        ? remotes.every((one) => one.current(now) !== undefined)
        : remotes.every((one) => one.answers(kid, since, now)),
    load: (kid, since, deadline) =>
      new Promise((resolve) => {
        const before = remotes.map(({ set }) => set);
        const isNews = ({ set }: RemoteKeys, index: number): boolean =>
          set !== undefined && set !== before[index] && (kid === undefined || set.hasKid(kid));
        const waits = remotes.map(async (one, index) => {
          const wait = await one.load(kid, since, deadline);
          // What one of them has now may do: nobody waits for the others then.
          if (isNews(one, index)) resolve(undefined);
          return wait;
        });
        void Promise.all(waits).then((all) => {
          const refused = all.filter((wait) => wait !== undefined);
          resolve(refused.length === 0 ? undefined : Math.max(...refused));
        });
      }),
    age: (now) => {
      const oldest = Math.min(...remotes.map(({ fetchedAt }) => fetchedAt));
      return oldest === Number.NEGATIVE_INFINITY ? undefined : Math.max(0, now - oldest);
    },
    isStale: () => remotes.some(({ isStale }) => isStale),
  };
}
