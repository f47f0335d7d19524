import { isDeepStrictEqual } from "node:util";
import { LRUCache } from "lru-cache";
import { unverifiedIssuer } from "../jws/compact.js";
import { hasForm, Issuers, type IssuerTemplate } from "../keys/issuers.js";
import { staticSource } from "../keys/key-set.js";
import { printableList } from "../util/printable.js";
import type { Secret } from "../util/secret.js";
import { tokenDigest } from "./facts.js";
import { createRealm, type Realm, type Rule } from "./realm.js";
import { isString, issuer, required, typed } from "./rules.js";

/** A realm that hands each token to the realm of the issuer that its `iss` names. */
export interface RoutingRealm extends Realm {
  /** The realms by their issuers as written; a realm may have several issuers. All of them take the same callers. */
  readonly byIssuer: ReadonlyMap<string, Realm>;
  /** The issuers with a placeholder, which are tried after the exact ones. No issuer has the form of two realms' templates. */
  readonly templates: readonly IssuerTemplate[];
}

/** Rejects every token; only tokens of unknown issuers reach it. Its detail does not quote the issuer, which is not signed. */
const unknownIssuer = (issuers: readonly string[]): Rule => ({
  ...issuer(issuers),
  beforeSignature: true,
  test: () => false,
  detail: () => `Admitted: ${printableList(issuers)}.`,
});

/**
 * Makes a realm that routes tokens. It verifies none itself: for a token of an unknown issuer it checks the caller, reads the
 * token like any other realm, and rejects it before it looks for a key.
 *
 * @param byIssuer at least one realm; all of them take the same callers
 */
export function createRoute(name: string, byIssuer: ReadonlyMap<string, Realm>): RoutingRealm {
  const targets = [...byIssuer.values()];
  const policies = targets.map(({ policy }) => policy);
  const callers = policies[0]?.callers ?? "anyone";
  const explain = policies[0]?.explain ?? "nobody";
  const realm = createRealm(
    name,
    {
      algorithms: [...new Set(policies.flatMap(({ algorithms }) => algorithms))],
      maxTokenLength: Math.max(...policies.map(({ maxTokenLength }) => maxTokenLength)),
      ignoreHeaders: [],
      callers,
      // A token of an unknown issuer may be explained if all realms explain their tokens to the same callers.
      explain: policies.every((policy) => isDeepStrictEqual(policy.explain, explain)) ? explain : "nobody",
      keysOf: "realm",
      rules: [
        ...[required("iss"), typed("iss", isString)].map((rule) => ({ ...rule, beforeSignature: true as const })),
        unknownIssuer([...byIssuer.keys()]),
      ],
      subject: { from: "claims", claim: undefined, read: () => undefined },
      clockTolerance: 0,
    },
    staticSource([]),
    // Nonces are the same in all realms of a process.
    targets[0]?.proofs,
  );
  return { ...realm, byIssuer, templates: new Issuers([...byIssuer.keys()]).templates };
}

/** The names of the realms that a route hands tokens to, each once. */
export const targetsOf = ({ byIssuer }: RoutingRealm): readonly string[] => [
  ...new Set([...byIssuer.values()].map(({ name }) => name)),
];

/** Whether a realm routes tokens. */
export const isRoute = (realm: Realm): realm is RoutingRealm => "byIssuer" in realm;

/** The realm that a token is handed to. */
export interface RoutedToken {
  /** The realm that verifies the token. */
  readonly realm: Realm;
  /** The token's digest, if routing computed it; otherwise empty. */
  readonly digest: string;
  /** Whether the token was parsed for this, instead of being found in the route's memory. */
  readonly isParsed: boolean;
}

/** Size of a route's memory in bytes: about the 5,000 tokens that verified last. */
const MEMORY_SIZE = 1024 ** 2;

/** Size of an entry in bytes: a digest, and its places in the map and the lists. */
const ENTRY_SIZE = 200;

/** The realms of verified tokens by digest. A token's realm cannot change while the route is the same object; a reload makes another. */
const MEMORIES = new WeakMap<RoutingRealm, LRUCache<string, Realm>>();

/**
 * Finds the realm that verifies a token: the realm asked for, or the one that it routes the token to. That realm checks
 * everything, the issuer included, so the unverified `iss` read here decides nothing.
 */
export function routeToken(asked: Realm, token: Secret): RoutedToken {
  if (!isRoute(asked) || token.length > asked.policy.maxTokenLength) {
    return { realm: asked, digest: "", isParsed: false };
  }
  const text = token.reveal();
  const digest = tokenDigest(text);
  const known = MEMORIES.get(asked)?.get(digest);
  if (known !== undefined) return { realm: known, digest, isParsed: false };
  const named = unverifiedIssuer(text);
  return { realm: (named === undefined ? undefined : targetOf(asked, named)) ?? asked, digest, isParsed: true };
}

/** The realm of an issuer: of the exact one, or of the template whose form it has, whatever its claims say. */
function targetOf({ byIssuer, templates }: RoutingRealm, named: string): Realm | undefined {
  const exact = byIssuer.get(named);
  if (exact !== undefined || templates.length === 0) return exact;
  const template = templates.find((one) => hasForm(one, named));
  return template && byIssuer.get(template.text);
}

/** Remembers the realm of a verified token. Others are not remembered, since anyone can make enough of them to evict these. */
export function rememberRoute(asked: Realm, { realm, digest, isParsed }: RoutedToken): void {
  if (!isParsed || !isRoute(asked)) return;
  let memory = MEMORIES.get(asked);
  if (memory === undefined) {
    memory = new LRUCache({ maxSize: MEMORY_SIZE });
    MEMORIES.set(asked, memory);
  }
  memory.set(digest, realm, { size: ENTRY_SIZE });
}
