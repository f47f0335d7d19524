import { failure } from "../contract/verifier.js";
import { member } from "../jws/json.js";
import { printableJson, printableList } from "../util/printable.js";
import { type DecisionState, type EarlyEnd, needs, reject } from "./decision-state.js";
import type { Realm, Rule } from "./realm.js";

// What becomes of a token that no key verified: a certain rejection, a load, or the end for want of a key.

/** Ends a decision on a token that none of the keys at hand verified, if any fits it at all. */
export function endUnverified(state: DecisionState): EarlyEnd {
  const end = endForWantOfKey(state);
  return isFinal(end) ? end : (certainRejection(state) ?? end);
}

/** Whether a key settled the matter, so that no other rule has a say. */
const isFinal = (end: EarlyEnd): boolean =>
  end.kind === "rejected" && (end.reason === "SIGNATURE_INVALID" || end.reason === "ALGORITHM_MISMATCH");

function endForWantOfKey({ realm, header, since, now, candidates }: DecisionState): EarlyEnd {
  // An instance's keys are never fetched, and its tokens name none.
  if (realm.policy.keysOf === "instance") return reject("SIGNATURE_INVALID");
  const kid = member(header, "kid") as string | undefined; // the strict reader refuses any other type
  const keys = realm.keys.current(now);
  // The token's key may have been published after the realm's keys were fetched.
  if (keys === undefined || !realm.keys.answers(kid, since, now)) return needs({ kind: "keys", realm, kid, since });
  // A token without a `kid` names no key that could be unknown.
  if (candidates.length > 0 || kid === undefined) return reject("SIGNATURE_INVALID");
  return keys.hasKid(kid) ? reject("ALGORITHM_MISMATCH", "alg") : { ...reject("KEY_UNKNOWN", "kid"), kid };
}

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
