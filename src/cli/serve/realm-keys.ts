import type { Logger } from "pino";
import type { ConfiguredRealm } from "../../config/realms.js";
import { bindRoutes } from "../../config/routes.js";
import { Keyring, type KeyringContext, type KeyringRequest } from "../../keys/network/keyring.js";
import type { RemoteObserver } from "../../keys/network/remote-keys.js";
import { createRealm } from "../../verifier/realm.js";
import { isToldFailure } from "../telemetry/in-a-row.js";
import { tell } from "../telemetry/lines.js";

// How the realms of a configuration get the keys that issuers publish.

/** Is told of each fetch of keys. */
export type OnFetch = (realm: string, result: "ok" | "failed") => void;

/** Makes the keyring of a core. */
export function openKeyring(
  context: Pick<KeyringContext, "clock" | "proxies" | "saved">,
  log: Logger,
  onFetch: OnFetch,
): Keyring {
  return new Keyring({
    ...context,
    observe: (realm, location) => observer(realm, location, log, onFetch),
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

function observer(realm: string, location: string, log: Logger, onFetch: OnFetch): RemoteObserver {
  const at = { realm, location };
  return {
    fetched: ({ added, removed, leftOut }, failures) => {
      onFetch(realm, "ok");
      if (failures > 0) tell(log, "keys can be fetched again", { ...at, failures });
      if (added.length > 0 || removed.length > 0) tell(log, "keys changed", { ...at, added, removed });
      for (const { index, kid, why, refused } of leftOut) {
        if (refused) tell(log, "key refused", { ...at, index, kid, why });
      }
    },
    failed: (why, failures) => {
      onFetch(realm, "failed");
      if (isToldFailure(failures)) tell(log, "keys cannot be fetched", { ...at, why, failures });
    },
  };
}
