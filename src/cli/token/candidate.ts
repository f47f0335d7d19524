import { readFileSync } from "node:fs";
import type { Config } from "../../config/load.js";
import { toldFile, unreadable } from "../../config/read-file.js";
import type { ConfiguredRealm } from "../../config/realms.js";
import { KeyError } from "../../keys/key-error.js";
import type { LoadedSet } from "../../keys/load-jwks.js";
import { fetchKeySet } from "../../keys/remote/documents.js";
import { createFetcher, readDocument } from "../../keys/remote/fetch.js";
import { FetchError } from "../../keys/remote/fetch-error.js";
import { type RemoteEntry, toldLocation } from "../../keys/remote/keyring.js";
import { loadPublished } from "../../keys/remote/published.js";
import { CommandError, EXIT } from "../errors.js";

/** Milliseconds for a candidate by URL, in a realm that fetches nothing. */
const PATIENCE = 5000;

/** What becomes of a set that the service cannot use. */
const KEPT = "The service would take that for a failed fetch, and keep the keys that it has.";

/**
 * Reads the set that an issuer is about to publish just as the service would read what it fetches.
 *
 * @param candidate a file, or a URL, which is fetched as the source is: with its limits, and no more freedom
 * @param source where the realm fetches the keys that it stands for; undefined for those of the configuration
 * @throws {CommandError} where it cannot be had, or the service would not take it
 */
export async function candidateSet(
  candidate: string,
  { algorithms }: ConfiguredRealm,
  source: RemoteEntry | undefined,
  proxies: Config["proxies"],
): Promise<LoadedSet> {
  const isUrl = /^https?:\/\//.test(candidate);
  const bytes = isUrl ? undefined : bytesOf(candidate);
  try {
    const value = bytes === undefined ? await fetched(candidate, source, proxies) : readDocument(bytes);
    return loadPublished(value, algorithms);
  } catch (error) {
    if (!(error instanceof FetchError || error instanceof KeyError)) throw error;
    const name = isUrl ? toldLocation(candidate) : toldFile(candidate);
    const told = `${name}: ${error.message}.${source === undefined ? "" : ` ${KEPT}`}`;
    // What an issuer does not answer now, it may answer later.
    throw new CommandError(told, isUrl && error instanceof FetchError ? EXIT.unavailable : EXIT.usage);
  }
}

async function fetched(jwksUri: string, source: RemoteEntry | undefined, proxies: Config["proxies"]): Promise<unknown> {
  const { timeout = PATIENCE, insecure = false, ca } = source ?? {};
  const fetcher = createFetcher({ timeout, insecure, ca, proxies });
  try {
    const found = await fetcher.within((get) => fetchKeySet({ jwksUri }, get, undefined));
    // Nothing was remembered that it could be unchanged from.
    return found.kind === "document" ? found.value : undefined;
  } finally {
    await fetcher.close();
  }
}

function bytesOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CommandError(`${toldFile(file)} ${unreadable(error)}.`, EXIT.usage);
  }
}
