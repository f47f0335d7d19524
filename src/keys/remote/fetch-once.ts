import type { Algorithm } from "../../jws/algorithms.js";
import type { LoadedSet } from "../load-jwks.js";
import { fetchKeySet, type Location } from "./documents.js";
import { createFetcher, type FetchOptions } from "./fetch.js";
import { loadPublished } from "./published.js";

/**
 * Fetches and loads an issuer's key set once, as a running service would, and keeps nothing.
 *
 * @param algorithms of the realm that the keys are for
 * @throws {FetchError} if the set cannot be fetched; {KeyError} if it has no usable key
 */
export async function fetchOnce(
  location: Location,
  options: FetchOptions,
  algorithms: readonly Algorithm[],
): Promise<LoadedSet> {
  const fetcher = createFetcher(options);
  try {
    const fetched = await fetcher.within((get) => fetchKeySet(location, get, undefined));
    // Without a remembered answer the set cannot be "unchanged".
    return loadPublished(fetched.kind === "document" ? fetched.value : undefined, algorithms);
  } finally {
    await fetcher.close();
  }
}
