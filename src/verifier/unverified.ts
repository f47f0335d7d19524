import { type Failure, failure } from "../contract/verifier.js";
import { type Algorithm, algorithmOf } from "../jws/algorithms.js";
import { member } from "../jws/json.js";
import { type ForIssuers, mayVerify } from "../keys/key-issuers.js";
import type { KeyFilter } from "../keys/key-set.js";
import type { LeftOut } from "../keys/left-out.js";
import { printableJson, printableList } from "../util/printable.js";
import { type DecisionState, type EarlyEnd, needs, reject } from "./decision-state.js";
import type { Realm, Rule } from "./realm.js";

// What becomes of a token that no key verified: a certain rejection, a load, or the end for want of a key.
// Decisions 0011, 0015 and 0016 say why.

/** Ends a decision on a token that none of the keys at hand verified, if any fits it at all. @param algorithm the header's */
export function endUnverified(state: DecisionState, algorithm: Algorithm | undefined): EarlyEnd {
  const kid = member(state.header, "kid") as string | undefined; // the strict reader refuses any other type
  const counts = issuerFilter(state);
  const wasNamed =
    kid !== undefined && state.candidates.some((one) => one.kid === kid && (counts === undefined || counts(one)));
  const end = endForWantOfKey(state, algorithm, kid, counts, wasNamed);
  return isFinal(end, state, wasNamed) ? end : (certainRejection(state) ?? end);
}

/**
 * Whether a key settled the matter, so that no other rule has a say. Keys that are fetched settle only what names one of
 * them: whether they are fresh enough for any other token changes with time, and its reason must not.
 */
const isFinal = (end: EarlyEnd, { realm, now }: DecisionState, wasNamed: boolean): boolean =>
  end.kind === "rejected" &&
  (end.reason === "ALGORITHM_MISMATCH" ||
    (end.reason === "SIGNATURE_INVALID" && (wasNamed || realm.keys.age(now) === undefined)));

/** Whether a key verifies tokens of the issuer that a token names, whose claims may be unsigned yet. */
export const isForToken = ({ issuers }: ForIssuers, { claims, realm }: DecisionState): boolean =>
  issuers === undefined || mayVerify(issuers, claims, realm.policy.issuers ?? undefined);

/** Leaves out keys for other issuers than a token's; undefined for a token whose issuer the realm does not admit, or need not. */
function issuerFilter(state: DecisionState): KeyFilter | undefined {
  if (state.realm.policy.issuers?.find(state.claims) === undefined) return undefined;
  return (key) => isForToken(key, state);
}

function endForWantOfKey(
  { realm, since, now, candidates }: DecisionState,
  algorithm: Algorithm | undefined,
  kid: string | undefined,
  counts: KeyFilter | undefined,
  wasNamed: boolean,
): EarlyEnd {
  // An instance's keys are never fetched, and its tokens name none.
  if (realm.policy.keysOf === "instance") return reject("SIGNATURE_INVALID");
  const keys = realm.keys.current(now);
  // The token's key may have been published after the realm's keys were fetched.
  if (keys === undefined || !realm.keys.answers(kid, since, now, counts))
    return needs({ kind: "keys", realm, kid, since });
  // A token without a `kid` was tried with every key of its algorithm.
  const wasTried = kid === undefined ? candidates.length > 0 : wasNamed;
  const leftOut = counts === undefined ? keys.leftOutFor(kid) : keys.leftOutFor(kid).filter(counts);
  const end = endByLeftOut(leftOut, kid, algorithm, wasTried);
  if (end !== undefined) return end;
  // A token without a `kid` names no key that could be unknown.
  if (candidates.length > 0 || kid === undefined) return reject("SIGNATURE_INVALID");
  return keys.hasKid(kid, counts) ? reject("ALGORITHM_MISMATCH", "alg") : { ...reject("KEY_UNKNOWN", "kid"), kid };
}

/**
 * The end by the keys that were left out of the set and may have signed the token: those of its `kid`, of a type that takes
 * its algorithm. One that cannot be read may have made a good signature, so there is no verdict.
 *
 * @param wasTried whether a usable key of this `kid` and algorithm was tried; one set aside signed nothing then
 */
function endByLeftOut(
  named: readonly LeftOut[],
  kid: string | undefined,
  algorithm: Algorithm | undefined,
  wasTried: boolean,
): EarlyEnd | undefined {
  if (named.length === 0 || algorithm === undefined) return undefined;
  const possible = named.filter(({ algorithms }) => algorithms.length === 0 || algorithms.includes(algorithm));
  const name = kid === undefined ? {} : { kid };
  const refused = possible.find(({ kind }) => kind === "refused");
  if (refused !== undefined) return { ...keyRefused(refused), ...name };
  if (possible.some(({ kind }) => kind === "worthless")) {
    return { ...reject("KEY_WEAK", kid === undefined ? "" : "kid"), ...name };
  }
  const setAside = possible.filter(({ kind }) => kind === "set aside");
  const [first] = setAside;
  if (first === undefined || wasTried) return undefined;
  const fitting = setAside.find((one) => one.alg === undefined || algorithmOf(one.alg) === algorithm);
  return fitting === undefined ? reject("ALGORITHM_MISMATCH", "alg") : { ...keyRefused(fitting), ...name };
}

const keyRefused = ({ cause }: LeftOut): Failure => ({
  ...failure("KEY_REFUSED"),
  ...(cause !== "weak" && { cause }),
});

/** The end if the signature was checked with as many keys as are tried for one token, and more remain. */
export function endTooManyKeys(state: DecisionState): EarlyEnd {
  return certainRejection(state) ?? failure("TOO_MANY_KEYS");
}

/** A rule that needs no signature, with its rejection. */
interface CertainRule {
  readonly test: Rule["test"];
  readonly rejection: EarlyEnd;
}

const CERTAIN_RULES = new WeakMap<Realm, readonly CertainRule[]>();

function certainRulesOf(realm: Realm): readonly CertainRule[] {
  let rules = CERTAIN_RULES.get(realm);
  if (rules === undefined) {
    rules = realm.policy.rules
      .filter(({ certain }) => certain)
      .map(({ test, reason, claim }) => ({ test, rejection: reject(reason, claim) }));
    CERTAIN_RULES.set(realm, rules);
  }
  return rules;
}

/** The rejection by the first certain rule that the unsigned claims fail. Its text is the reason's and quotes no claim. */
function certainRejection(state: DecisionState): EarlyEnd | undefined {
  return certainRulesOf(state.realm).find(({ test }) => !test(state.claims, state))?.rejection;
}

/** Most `kid`s that an explanation lists. */
const MAX_KIDS = 16;

/** What an explanation adds to an end of the stages `key` and `signature`. */
export function detailUnverified({ realm, header, now }: DecisionState, end: EarlyEnd): string {
  if (certainRulesOf(realm).some(({ rejection }) => rejection === end)) {
    return "Judged without a signature: no key is known.";
  }
  if (end.kind !== "rejected" || end.reason !== "KEY_UNKNOWN") return "";
  const kids = [...new Set(realm.keys.current(now)?.keys.flatMap((one) => one.kid ?? []))];
  const known = kids.length === 0 ? "no key has one" : `known: ${printableList(kids, MAX_KIDS)}`;
  return `'kid' is ${printableJson(member(header, "kid"))}; ${known}.`;
}
