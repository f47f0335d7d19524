import type { VerificationKey } from "../key.js";
import { type KeyFilter, KeySet, type KeySource } from "../key-set.js";
import type { LeftOut } from "../left-out.js";
import type { HeldKeys } from "./held-keys.js";
import { UnknownKids } from "./unknown-kids.js";

/**
 * A source of configured keys and those that issuers publish, tried in this order. While one issuer's keys are unavailable
 * the others still verify, but a token that none of them fits gets no verdict. A `kid` that a fetch of each issuer, begun
 * after the first question for it, did not bring is known to be unknown for the rest of the cooldown.
 *
 * @param remotes at least one
 * @param leftOut keys of the configuration's sets that are not used
 */
export function networkSource(
  configured: readonly VerificationKey[],
  remotes: readonly HeldKeys[],
  leftOut: readonly LeftOut[] = [],
): KeySource {
  const fixed = configured.length === 0 && leftOut.length === 0 ? [] : [new KeySet(configured, leftOut)];
  const unknown = new UnknownKids();
  let parts: readonly KeySet[] = [];
  let union: KeySet | undefined;
  let lastSets: readonly (KeySet | undefined)[] = [];

  /** Forgets the unknown `kid`s once a set changed. */
  function follow(): void {
    if (remotes.every(({ latest }, index) => latest === lastSets[index])) return;
    lastSets = remotes.map(({ latest }) => latest);
    unknown.clear();
  }

  /** Joins several sets; builds a new one only if one of them changed. */
  function unite(sets: readonly KeySet[]): KeySet | undefined {
    if (sets.length < 2) return sets[0];
    if (sets.length !== parts.length || sets.some((set, index) => set !== parts[index])) {
      parts = sets;
      union = new KeySet(
        sets.flatMap(({ keys }) => keys),
        sets.flatMap((set) => set.leftOut),
      );
    }
    return union;
  }

  const isKnown = (kid: string, counts: KeyFilter | undefined): boolean =>
    [...fixed, ...remotes.flatMap(({ set }) => set ?? [])].some((set) => set.hasKid(kid, counts));

  const only = fixed.length === 0 && remotes.length === 1 ? remotes[0] : undefined;
  return {
    current: (now) =>
      only === undefined ? unite([...fixed, ...remotes.flatMap((one) => one.current(now) ?? [])]) : only.current(now),
    answers: (kid, since, now, counts) => {
      // A known `kid` needs no further fetch, but a set that is unavailable may have a key of the same `kid`.
      if (kid !== undefined && isKnown(kid, counts)) return remotes.every((one) => one.current(now) !== undefined);
      follow();
      const first = kid === undefined ? undefined : unknown.firstAsked(kid);
      return remotes.every((one) => one.answers(kid, since, now, first));
    },
    load: (kid, since, deadline) =>
      new Promise((resolve) => {
        follow();
        const first = kid === undefined ? undefined : unknown.note(kid, since);
        const before = remotes.map(({ set }) => set);
        const hasNews = ({ set }: HeldKeys, index: number): boolean =>
          set !== undefined && set !== before[index] && (kid === undefined || set.hasKid(kid));
        const waits = remotes.map(async (one, index) => {
          const wait = await one.load(kid, since, deadline, first);
          // Its new keys may suffice, so do not wait for the others.
          if (hasNews(one, index)) resolve(undefined);
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
