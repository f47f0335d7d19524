import type { KeyObject } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { ConfiguredRealm } from "../config/realms.js";
import { KeyMarks, keptKey } from "../keys/key.js";
import type { Keyring, KeyringRequest } from "../keys/remote/keyring.js";
import { version } from "../util/version.js";
import { type GenericSettings, genericPolicy } from "../verifier/generic.js";
import { createRealm, type Policy, type ProofState, type Realm, realmVersion } from "../verifier/realm.js";
import type { RevocableRealms } from "../verifier/revocation-request.js";
import { createRoute, isRoute } from "../verifier/route.js";

// Builds the realms that verify, at the start and at each reload. No other file builds one.

/** A realm that verifies, and the configuration it was built from. */
export interface RunningRealm {
  readonly realm: Realm;
  readonly configured: ConfiguredRealm;
}

/** Realms in the order of the configuration, and the names of those that differ from the realms before. */
export interface BuiltRealms {
  readonly realms: readonly RunningRealm[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

/**
 * Builds the realms of a configuration. A realm about which nothing changed stays the same object, and so does each key
 * that did not change, because cached facts hold for these objects only.
 *
 * @param keyring gives each realm its source of keys; it stops fetching what no realm asks for any more
 * @param before the realms in use until now; none at the start
 * @param makeProofs makes what a new realm checks proofs with; a changed realm keeps what it had, so that no proof is
 *   accepted twice
 * @param root of the {@link KeyMarks}
 */
export function buildRealms(
  configured: readonly ConfiguredRealm[],
  keyring: Pick<Keyring, "source" | "keepOnly">,
  before: readonly RunningRealm[] = [],
  makeProofs: () => ProofState | undefined = () => undefined,
  root?: KeyObject,
): BuiltRealms {
  const last = new Map(before.map((one) => [one.realm.name, one]));
  const built = new Map<string, RunningRealm>();
  for (const one of configured) {
    if (one.byIssuer === undefined) built.set(one.name, buildRealm(one, keyring, last.get(one.name), makeProofs, root));
  }
  // Routing realms come last: they lead to realms that must exist.
  for (const one of configured) {
    if (one.byIssuer !== undefined) built.set(one.name, bindRoute(one, one.byIssuer, built, last.get(one.name)));
  }
  const realms = configured.flatMap(({ name }) => built.get(name) ?? []);
  keyring.keepOnly(realms.map(({ configured: one }) => keyringRequest(one)));
  const fresh = realms.filter(({ realm }) => last.get(realm.name)?.realm !== realm).map(({ realm }) => realm.name);
  return {
    realms,
    added: fresh.filter((name) => !last.has(name)),
    removed: [...last.keys()].filter((name) => !built.has(name)),
    changed: fresh.filter((name) => last.has(name)),
  };
}

function buildRealm(
  next: ConfiguredRealm,
  keyring: Pick<Keyring, "source">,
  last: RunningRealm | undefined,
  makeProofs: () => ProofState | undefined,
  root: KeyObject | undefined,
): RunningRealm {
  const lastKeys = last?.configured.keys ?? [];
  const keys = next.keys.map((key, index) => keptKey(lastKeys, index, key));
  const configured = { ...next, keys };
  const isSame =
    last !== undefined &&
    isDeepStrictEqual(settingsOf(last.configured), settingsOf(configured)) &&
    lastKeys.length === keys.length &&
    keys.every((key, index) => key === lastKeys[index]);
  if (isSame) return { realm: last.realm, configured };
  const keySource = keyring.source(keyringRequest(configured));
  const proofs = last?.realm.proofs ?? makeProofs();
  const marks = { version: realmVersion(markedSettings(next)), keys: new KeyMarks(root) };
  return { realm: createRealm(next.name, policyOf(next), keySource, proofs, marks), configured };
}

/** What a realm's version is made of: the same in every process of this version, so without secrets. */
const markedSettings = ({ name, vendor, settings, algorithms, callers, explain, keysOf }: ConfiguredRealm): object => ({
  version: version(),
  name,
  vendor: vendor?.name,
  settings,
  algorithms,
  callers,
  explain,
  keysOf,
});

/** Everything that makes a realm what it is, except its configured keys. */
function settingsOf({ keys: _keys, files: _files, remotes, ...settings }: ConfiguredRealm): object {
  // As JSON, secrets are their fingerprints; as objects they would all be equal.
  return { ...settings, remotes: JSON.stringify(remotes) };
}

function bindRoute(
  configured: ConfiguredRealm,
  byIssuer: ReadonlyMap<string, string>,
  built: ReadonlyMap<string, RunningRealm>,
  last: RunningRealm | undefined,
): RunningRealm {
  const targets = new Map<string, Realm>();
  for (const [issuer, name] of byIssuer) {
    const target = built.get(name)?.realm;
    if (target !== undefined) targets.set(issuer, target);
  }
  const isSame =
    last !== undefined &&
    isRoute(last.realm) &&
    last.realm.byIssuer.size === targets.size &&
    [...last.realm.byIssuer].every(([issuer, realm]) => targets.get(issuer) === realm);
  return { realm: isSame ? last.realm : createRoute(configured.name, targets), configured };
}

function policyOf({ vendor, settings, ...configured }: ConfiguredRealm): Policy {
  const { algorithms, callers, explain, keysOf, maxTokenLength, staleFor } = configured;
  // Without a vendor the settings are those of `genericSchema`.
  const policy = vendor === undefined ? genericPolicy(settings as unknown as GenericSettings) : vendor.policy(settings);
  return { ...policy, algorithms, callers, explain, keysOf, maxTokenLength, staleFor };
}

/** The realms of a configuration as revoking sees them, by a program that does not know how far their issuers' clocks are ahead. */
export const revocableRealmsOf = (configured: readonly ConfiguredRealm[]): RevocableRealms =>
  new Map(
    configured.map((one) => [
      one.name,
      one.byIssuer === undefined
        ? { policy: policyOf(one), ahead: 0 }
        : { targets: [...new Set(one.byIssuer.values())] },
    ]),
  );

const keyringRequest = ({ name, algorithms, keys, leftOut, remotes }: ConfiguredRealm): KeyringRequest => ({
  realm: name,
  algorithms,
  configured: keys,
  leftOut,
  entries: remotes,
});
