import { isDeepStrictEqual } from "node:util";
import { LRUCache } from "lru-cache";
import { unverifiedIssuer } from "../jws/compact.js";
import { staticSource } from "../keys/source.js";
import { printableList } from "../util/printable.js";
import type { Secret } from "../util/secret.js";
import { tokenDigest } from "./facts.js";
import { createRealm, type Realm, type Rule } from "./realm.js";
import { isString, issuer, required, typed } from "./rules.js";

/** A realm that hands each token to the one realm whose issuer its `iss` names. */
export interface RoutingRealm extends Realm {
  /** By issuer, exact; one realm may have several. All of them take the same callers. */
  readonly byIssuer: ReadonlyMap<string, Realm>;
}

/** Reached only by a token that no realm was found for. Its detail does not tell the issuer: nobody signed it. */
const nobody = (issuers: readonly string[]): Rule => ({
  ...issuer(issuers),
  ahead: true,
  test: () => false,
  detail: () => `Admitted: ${printableList(issuers)}.`,
});

/**
 * Makes a realm that routes. Of itself it verifies nothing: a token whose issuer is nobody's goes its own way, where
 * the caller is judged and the token read like everywhere else, and is rejected before any key is looked for.
 *
 * @param byIssuer at least one; all of them take the same callers
 */
export function createRoute(name: string, byIssuer: ReadonlyMap<string, Realm>): RoutingRealm {
  const policies = [...byIssuer.values()].map(({ policy }) => policy);
  const callers = policies[0]?.callers ?? "anyone";
  const explain = policies[0]?.explain ?? "nobody";
  const realm = createRealm(
    name,
    {
      algorithms: [...new Set(policies.flatMap(({ algorithms }) => algorithms))],
      maxTokenLength: Math.max(...policies.map(({ maxTokenLength }) => maxTokenLength)),
      ignoreHeaders: [],
      callers,
      // What is nobody's token may be explained where every realm explains its own to the same askers.
      explain: policies.every((policy) => isDeepStrictEqual(policy.explain, explain)) ? explain : "nobody",
      keysOf: "realm",
      rules: [
        ...[required("iss"), typed("iss", isString)].map((rule) => ({ ...rule, ahead: true as const })),
        nobody([...byIssuer.keys()]),
      ],
      subject: { from: "claims", read: () => undefined },
      clockTolerance: 0,
    },
    staticSource([]),
  );
  return { ...realm, byIssuer };
}

/** The names of the realms that it hands tokens to, each once. */
export const targetsOf = ({ byIssuer }: RoutingRealm): readonly string[] => [
  ...new Set([...byIssuer.values()].map(({ name }) => name)),
];

/** Whether a realm routes. */
export const isRoute = (realm: Realm): realm is RoutingRealm => "byIssuer" in realm;

/** Where a token goes. */
export interface Way {
  /** The realm that verifies it. */
  readonly realm: Realm;
  /** The token's digest, where it had to be computed; empty otherwise. */
  readonly digest: string;
  /** True where the token was read for this, and not found in memory. */
  readonly isRead: boolean;
}

/** What is remembered of a route's tokens, in bytes; the some 5,000 that verified last are found by their digest alone. */
const BOUND = 1024 ** 2;

/** What an entry holds, in bytes: a digest, and its places in the map and the lists. */
const ENTRY_SIZE = 200;

/** Which realm a token goes to cannot change while its route is the same object; a reload makes others. */
const TAKEN = new WeakMap<RoutingRealm, LRUCache<string, Realm>>();

/**
 * The realm that verifies a token: the one that is asked for, or the one that this hands it to. That realm verifies
 * everything, the issuer too: what is read here decides nothing.
 */
export function wayOf(asked: Realm, token: Secret): Way {
  if (!isRoute(asked) || token.length > asked.policy.maxTokenLength) return { realm: asked, digest: "", isRead: false };
  const text = token.reveal();
  const digest = tokenDigest(text);
  const known = TAKEN.get(asked)?.get(digest);
  if (known !== undefined) return { realm: known, digest, isRead: false };
  const named = unverifiedIssuer(text);
  return { realm: (named === undefined ? undefined : asked.byIssuer.get(named)) ?? asked, digest, isRead: true };
}

/** Remembers the way of a token that verified; of no other, for of those anybody can make as many as would drive out the rest. */
export function rememberWay(asked: Realm, { realm, digest, isRead }: Way): void {
  if (!isRead || !isRoute(asked)) return;
  let taken = TAKEN.get(asked);
  if (taken === undefined) {
    taken = new LRUCache({ maxSize: BOUND });
    TAKEN.set(asked, taken);
  }
  taken.set(digest, realm, { size: ENTRY_SIZE });
}
