import {
  type Check,
  type Evidence,
  failure,
  type Outcome,
  type Principal,
  type VerificationRequest,
  type Verified,
} from "../contract/verifier.js";
import { member } from "../jws/json.js";
import { instant } from "./claims.js";
import type { DecisionState, Need, View } from "./decision-state.js";
import { explain } from "./explain.js";
import type { Fact } from "./facts.js";
import { isBound } from "./proofs/confirmation.js";
import type { Provisional } from "./proofs/settle.js";
import type { Caller } from "./realm.js";
import { type RoutedToken, rememberRoute, routeToken } from "./route.js";
import { LAST_SECOND } from "./rules.js";
import { runSteps, stepsOf } from "./steps.js";

/** What must be loaded for an outcome. */
export interface Needs extends Pick<Outcome, "target"> {
  readonly kind: "needs";
  readonly need: Need;
}

/** An outcome, or what must be loaded for one. */
export type Decision = Outcome | Provisional | Needs;

/**
 * Decides on a token from an immutable view. Awaits nothing and changes nothing but caches of facts that cannot change, so
 * the same request, view and time give the same decision.
 *
 * @param now milliseconds since 1970
 * @param since when the question came; before `now` if something was loaded for it
 */
export function decide(request: VerificationRequest, view: View, now: number, since = now): Decision {
  const asked = view.realms.get(request.realm);
  if (asked === undefined) return failure("REALM_UNKNOWN");
  if (view.directory.wasSuspended(now)) return AFTER_SUSPENSION;
  const routed = routeToken(asked, request.token);
  if (!view.directory.isFresh(now, routed.realm.policy.staleFor)) return failure("DIRECTORY_UNAVAILABLE");
  const decision = conclude(initialState(request, routed, view, now, since));
  if (routed.realm === asked) return decision;
  const target = routed.realm.name;
  if (decision.kind !== "verified") return { ...decision, target };
  rememberRoute(asked, routed);
  if ("accepted" in decision) return { ...decision, target };
  // Member by member: a spread would take a third of the time of a cached token.
  const { kind, token, principal, evidence, checks } = decision;
  return { kind, token, principal, evidence, checks, target };
}

function conclude(state: DecisionState): Decision {
  if (state.request.explain) {
    const { end, checks } = explain(state, stepsOf(state.realm).all);
    if (end === undefined) return verified(state, checks);
    return end.kind === "rejected" ? { ...end, checks } : end;
  }
  return runSteps(state) ?? verified(state, NO_CHECKS);
}

const AFTER_SUSPENSION: Needs = Object.freeze({ kind: "needs", need: Object.freeze({ kind: "feed" }) });
const NO_CHECKS: readonly Check[] = Object.freeze([]);
const ANYONE: Caller = { kind: "anyone" };
const NOTHING = Object.freeze({});

function initialState(
  request: VerificationRequest,
  { realm, digest }: RoutedToken,
  view: View,
  now: number,
  since: number,
): DecisionState {
  return {
    request,
    realm,
    view,
    now,
    since,
    seconds: now / 1000,
    caller: ANYONE,
    text: "",
    payload: "",
    digest,
    header: NOTHING,
    claims: NOTHING,
    unproven: undefined,
    candidates: [],
    fact: undefined,
    principal: undefined,
    accepted: undefined,
  };
}

function verified(state: DecisionState, checks: readonly Check[]): Outcome | Provisional {
  const { fact, realm, now } = state;
  if (fact === undefined) return failure("INTERNAL"); // Unreachable: every realm has the stage `signature`.
  if (realm.policy.keysOf === "realm") fact.key.uses.note(now);
  const verdict: Verified = {
    kind: "verified",
    token: fact.token,
    principal: state.principal ?? principalOf(state, fact),
    evidence: evidence(state, fact),
    checks,
  };
  return state.accepted === undefined ? verdict : { ...verdict, accepted: state.accepted };
}

function principalOf(state: DecisionState, fact: Fact): Principal | undefined {
  const { subject } = state.realm.policy;
  return subject.from === "claims" ? (fact.principal ?? subject.read(state.claims, state)) : undefined;
}

function evidence({ realm, view, now, claims }: DecisionState, { key }: Fact): Evidence {
  const age = realm.keys.age(now);
  const exp = member(claims, "exp");
  // A verdict that rests on a proof must not be given to a caller without one.
  const isCacheable = typeof exp === "number" && (realm.bound === "ignore" || !isBound(claims));
  return {
    keySetAge: age === undefined ? undefined : Math.trunc(age / 1000) * 1000,
    keySetStale: realm.keys.isStale(),
    position: view.directory.position,
    cacheableUntil: isCacheable ? instant(Math.min(exp + realm.policy.clockTolerance, LAST_SECOND)) : undefined,
    trustedKey: realm.policy.keysOf === "realm" ? realm.marks.keys.of(key) : "",
    realmVersion: realm.marks.version,
    evaluatedAt: now,
    feedAge: view.directory.feedAge(now),
  };
}
