import type { Config } from "../../config/load.js";
import { KeyError } from "../../keys/key-error.js";
import type { LoadedSet } from "../../keys/load-jwks.js";
import { fetchKeySet } from "../../keys/remote/documents.js";
import { createFetcher } from "../../keys/remote/fetch.js";
import { FetchError } from "../../keys/remote/fetch-error.js";
import { type RemoteEntry, toldLocation } from "../../keys/remote/keyring.js";
import { loadPublished } from "../../keys/remote/published.js";
import type { Reached } from "./findings.js";

/** Fetches the keys that the realms of a configuration want of issuers, once, all at the same time. Keeps nothing. */
export function reachKeys({ realms, proxies }: Pick<Config, "realms" | "proxies">): Promise<readonly Reached[]> {
  return Promise.all(
    realms.flatMap(({ name, algorithms, remotes }) =>
      remotes.map(async (entry) => ({
        realm: name,
        location: toldLocation(entry.location),
        insecure: entry.insecure,
        set: await reach(entry, algorithms, proxies),
      })),
    ),
  );
}

async function reach(
  entry: RemoteEntry,
  algorithms: Parameters<typeof loadPublished>[1],
  proxies: Config["proxies"],
): Promise<LoadedSet | string> {
  const fetcher = createFetcher({ ...entry, proxies });
  try {
    const fetched = await fetcher.within((get) => fetchKeySet(entry.location, get, undefined));
    // Nothing was remembered that it could be unchanged from.
    return loadPublished(fetched.kind === "document" ? fetched.value : undefined, algorithms);
  } catch (error) {
    if (error instanceof FetchError || error instanceof KeyError) return error.message;
    throw error;
  } finally {
    await fetcher.close();
  }
}
