import {
  type Check,
  type Evidence,
  failure,
  type Outcome,
  type VerificationRequest,
  type Verified,
} from "../contract/verifier.js";
import type { DecisionState, Need, View } from "./decision-state.js";
import { explain } from "./explain.js";
import type { Fact } from "./facts.js";
import type { Provisional } from "./proofs/settle.js";
import type { Caller } from "./realm.js";
import { type RoutedToken, rememberRoute, routeToken } from "./route.js";
import { stepsOf } from "./stages.js";

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
  if (!view.directory.isFresh(now)) return failure("DIRECTORY_UNAVAILABLE");
  const routed = routeToken(asked, request.token);
  const decision = runSteps(initialState(request, routed, view, now, since));
  if (routed.realm === asked) return decision;
  const target = routed.realm.name;
  if (decision.kind !== "verified") return { ...decision, target };
  rememberRoute(asked, routed);
  if ("accepted" in decision) return { ...decision, target };
  // Member by member: a spread would take a third of the time of a cached token.
  const { kind, token, principal, evidence, checks } = decision;
  return { kind, token, principal, evidence, checks, target };
}

function runSteps(state: DecisionState): Decision {
  const steps = stepsOf(state.realm);
  if (state.request.explain) {
    const { end, checks } = explain(state, steps);
    if (end === undefined) return verified(state, checks);
    return end.kind === "rejected" ? { ...end, checks } : end;
  }
  for (const step of steps) {
    const end = step.run(state);
    if (end !== undefined) return end;
  }
  return verified(state, []);
}

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
  const { fact } = state;
  if (fact === undefined) return failure("INTERNAL"); // Unreachable: every realm has the stage `signature`.
  if (state.realm.policy.keysOf === "realm") fact.key.uses.note(state.now);
  const verdict: Verified = {
    kind: "verified",
    token: fact.token,
    principal: state.principal ?? fact.principal,
    evidence: evidence(state, fact),
    checks,
  };
  return state.accepted === undefined ? verdict : { ...verdict, accepted: state.accepted };
}

function evidence({ realm, view, now }: DecisionState, fact: Fact): Evidence {
  const { position } = view.directory;
  const age = realm.keys.age(now);
  const keySetAge = age === undefined ? undefined : Math.trunc(age / 1000) * 1000;
  const stale = realm.keys.isStale();
  const last = fact.evidence;
  if (last?.feedPosition === position && last.keySetAge === keySetAge && last.keySetStale === stale) return last;
  fact.evidence = {
    keySetAge,
    keySetStale: stale,
    feedPosition: position,
    cacheableUntil: fact.cacheableUntil,
  };
  return fact.evidence;
}
