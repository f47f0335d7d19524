import type { Clock } from "../util/clock.js";

/**
 * Admits so many in a second: whoever floods a port must not flood the log.
 *
 * @param omit is told how many were not admitted, when the first of a later second comes
 * @returns whether the one that comes now is admitted
 */
export function perSecond(most: number, clock: Clock, omit: (omitted: number) => void): () => boolean {
  let second = 0;
  let admitted = 0;
  let omitted = 0;
  return () => {
    const now = Math.floor(clock() / 1000);
    if (now !== second) {
      if (omitted > 0) omit(omitted);
      second = now;
      admitted = 0;
      omitted = 0;
    }
    if (++admitted <= most) return true;
    omitted++;
    return false;
  };
}
