import type { VerificationKey } from "./key.js";
import { isSameKey } from "./same-key.js";

/**
 * The key object of before that is the same key as this one; else this one. Facts go by the object, so what did not
 * change has to stay the object that it was.
 *
 * @param index the place of `key` in its list: the one that stood there is preferred, for a key may stand in a list twice
 */
export function keptKey(before: readonly VerificationKey[], index: number, key: VerificationKey): VerificationKey {
  const isSame = (one: VerificationKey | undefined): boolean =>
    one?.algorithm === key.algorithm &&
    one.kid === key.kid &&
    // One key has one label, and texts are compared sooner than keys.
    one.label === key.label &&
    isSameKey(one.key, key.key);
  const there = before[index];
  return (isSame(there) ? there : before.find(isSame)) ?? key;
}
