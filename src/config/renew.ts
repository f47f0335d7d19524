import { isDeepStrictEqual } from "node:util";
import { keptKey } from "../keys/kept.js";
import { staticSource } from "../keys/source.js";
import { createRealm } from "../verifier/realm.js";
import { isRoute } from "../verifier/route.js";
import type { ConfiguredRealm } from "./realms.js";
import { bindRoutes } from "./routes.js";

/** The realms of a configuration that follows another, and their names by what became of them. */
export interface Renewal {
  readonly realms: readonly ConfiguredRealm[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

/**
 * Lets everything about which nothing changed be the object that it was: facts hold for a key as an object and within
 * a realm as an object, so what is not renewed keeps its facts. A realm that changed keeps those of its keys that did not.
 */
export function renew(before: readonly ConfiguredRealm[], after: readonly ConfiguredRealm[]): Renewal {
  const old = new Map(before.map((one) => [one.realm.name, one]));
  const names = new Set(after.map(({ realm }) => realm.name));
  const renewed = after.map((one) => {
    const last = old.get(one.realm.name);
    return last === undefined ? one : renewRealm(last, one);
  });
  const realms = bindRoutes(renewed).map((one) => keptRoute(old.get(one.realm.name), one));
  const fresh = realms.filter((one) => old.get(one.realm.name)?.realm !== one.realm).map(({ realm }) => realm.name);
  return {
    realms,
    added: fresh.filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !names.has(name)),
    changed: fresh.filter((name) => old.has(name)),
  };
}

/** The route of before, where it leads to the very realms that this one leads to. */
function keptRoute(last: ConfiguredRealm | undefined, next: ConfiguredRealm): ConfiguredRealm {
  if (last === undefined || !isRoute(last.realm) || !isRoute(next.realm)) return next;
  const { byIssuer } = last.realm;
  const isSame =
    byIssuer.size === next.realm.byIssuer.size &&
    [...next.realm.byIssuer].every(([issuer, realm]) => byIssuer.get(issuer) === realm);
  return isSame ? { ...next, realm: last.realm } : next;
}

function renewRealm(last: ConfiguredRealm, next: ConfiguredRealm): ConfiguredRealm {
  if (isRoute(next.realm)) return next;
  const keys = next.keys.map((key, index) => keptKey(last.keys, index, key));
  const { name, policy } = next.realm;
  const isSame =
    last.vendor === next.vendor &&
    isDeepStrictEqual(last.settings, next.settings) &&
    // The one setting of a preset that is not among its settings.
    isDeepStrictEqual(last.realm.policy.explain, policy.explain) &&
    isDeepStrictEqual(last.remotes, next.remotes) &&
    last.keys.length === keys.length &&
    keys.every((key, index) => key === last.keys[index]);
  return { ...next, keys, realm: isSame ? last.realm : createRealm(name, policy, staticSource(keys)) };
}
