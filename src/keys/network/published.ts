import type { Algorithm } from "../../jws/algorithms.js";
import { KeyError } from "../key-error.js";
import { type LoadedSet, loadJwks } from "../load-jwks.js";

/**
 * Loads a set as an issuer publishes it, for a realm of these algorithms.
 *
 * @param value as it was fetched; may be anything
 * @throws {KeyError} where it is no set, or has no usable key: in the words that `check` and the log have in common
 */
export function loadPublished(value: unknown, algorithms: readonly Algorithm[]): LoadedSet {
  const loaded = loadJwks(value, { algorithms, several: "first" });
  if (loaded.keys.length === 0) throw new KeyError(whyEmpty(loaded, algorithms));
  return loaded;
}

function whyEmpty({ leftOut }: LoadedSet, algorithms: readonly Algorithm[]): string {
  const first = leftOut.find(({ refused }) => refused) ?? leftOut[0];
  const detail = first === undefined ? "it is empty" : `number ${first.index}: ${first.why}`;
  return `the set has no usable key for ${algorithms.join(", ")} (${detail})`;
}
