import type { Logger } from "pino";
import type { ConfiguredRealm } from "../../config/realms.js";
import { bindRoutes } from "../../config/routes.js";
import type { Directory, SavedKeySet } from "../../directory/directory.js";
import {
  Keyring,
  type KeyringContext,
  type KeyringRequest,
  locationName,
  type SavedSets,
  toldLocation,
} from "../../keys/network/keyring.js";
import { createRealm } from "../../verifier/realm.js";
import { tell } from "../telemetry/lines.js";
import { keysObserver, type OnFetch } from "./keys-observer.js";

// How the realms of a configuration get the keys that issuers publish.

/** Makes the keyring of a core. @param directory where sets are kept over a restart; nowhere where there is none */
export async function openKeyring(
  context: Pick<KeyringContext, "clock" | "proxies">,
  directory: Directory | undefined,
  log: Logger,
  onFetch: OnFetch,
): Promise<Keyring> {
  return new Keyring({
    ...context,
    saved: await savedSets(directory, log),
    observe: (realm, location) => keysObserver({ realm, location }, log, onFetch),
  });
}

/**
 * The same realms, those with keys to be fetched with a source that fetches them. Fetching that nobody asks for any more
 * ends.
 *
 * @param running realms that have their sources already
 */
export function withKeys(
  keyring: Keyring,
  realms: readonly ConfiguredRealm[],
  running: readonly ConfiguredRealm[],
): readonly ConfiguredRealm[] {
  const live = new Set(running.map(({ realm }) => realm));
  const sourced = realms.map((one) => {
    if (one.remotes.length === 0 || live.has(one.realm)) return one;
    const { name, policy } = one.realm;
    return { ...one, realm: createRealm(name, policy, keyring.source(requestOf(one))) };
  });
  keyring.keepOnly(realms.map(requestOf));
  return bindRoutes(sourced);
}

const requestOf = ({ realm: { name, policy }, keys, remotes }: ConfiguredRealm): KeyringRequest => ({
  realm: name,
  algorithms: policy.algorithms,
  configured: keys,
  entries: remotes,
});

/** How long a set is kept that no realm of this process asks for, in milliseconds: 30 days. */
const KEPT = 30 * 86_400_000;

/**
 * Removes key sets from the store that nobody asks for any more: those of no realm of this configuration that were
 * fetched last more than 30 days ago. Another process on the same store may have another configuration. As long as its
 * issuer answers it saves its sets anew after at most 24 days (the longest `refreshMax`), so that what is older is of a
 * realm that nobody has, or of an issuer that has been silent for longer than almost any `staleIfError`; that process
 * has the set in memory then, and would miss it at a restart alone. Never rejects.
 */
export async function removeOldSets(
  directory: Directory | undefined,
  realms: readonly ConfiguredRealm[],
  now: number,
  log: Logger,
): Promise<void> {
  const asked = realms.flatMap(({ realm, remotes }) =>
    remotes.map((entry) => ({ realm: realm.name, location: locationName(entry.location) })),
  );
  try {
    await directory?.removeKeySets(now - KEPT, asked);
  } catch (err) {
    tell(log, "old key sets not removed", { err });
  }
}

async function savedSets(directory: Directory | undefined, log: Logger): Promise<SavedSets> {
  const nameOf = (realm: string, location: string): string => JSON.stringify([realm, location]);
  const saved = new Map<string, SavedKeySet>();
  for (const set of (await directory?.keySets()) ?? []) saved.set(nameOf(set.realm, set.location), set);
  return {
    get: (realm, location) => saved.get(nameOf(realm, location)),
    set: (realm, location, set) => {
      const whole = { realm, location, ...set };
      saved.set(nameOf(realm, location), whole);
      // Without it the next start has to fetch before it can verify: worth a word, not a failure.
      directory
        ?.saveKeySet(whole)
        .catch((err: unknown) => tell(log, "key set not saved", { err, realm, location: toldLocation(location) }));
    },
  };
}
