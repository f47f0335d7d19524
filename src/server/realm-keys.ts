import type { Logger } from "pino";
import type { ConfiguredRealm } from "../config/realms.js";
import { bindRoutes } from "../config/routes.js";
import { Keyring, type KeyringContext, type KeyringRequest } from "../keys/remote/keyring.js";
import type { FetchObserver } from "../observability/observed.js";
import { createRealm } from "../verifier/realm.js";
import { keysObserver } from "./keys-observer.js";

// How the realms of a configuration get the keys that issuers publish.

/** Makes the keyring of a core. */
export function openKeyring(
  context: Pick<KeyringContext, "clock" | "proxies" | "saved">,
  log: Logger,
  onFetch: FetchObserver,
): Keyring {
  return new Keyring({
    ...context,
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
