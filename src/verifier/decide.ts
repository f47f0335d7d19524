import {
  type Check,
  type Evidence,
  failure,
  type Outcome,
  type VerificationRequest,
  type Verified,
} from "../contract/verifier.js";
import { explain } from "./explain.js";
import type { Fact } from "./facts.js";
import type { Caller } from "./realm.js";
import { rememberWay, type Way, wayOf } from "./route.js";
import { stepsOf } from "./steps.js";
import type { Case, Lack, View } from "./view.js";

/** What is lacking for an outcome. */
export interface Lacking extends Pick<Outcome, "target"> {
  readonly kind: "lacks";
  readonly lack: Lack;
}

/** An outcome, or what is lacking for one. */
export type Decision = Outcome | Lacking;

/**
 * Decides on a token: one look at an immutable view, nothing awaited, nothing changed (but memories of what cannot change). The
 * same request, view and time give the same decision.
 *
 * @param now milliseconds since 1970
 * @param since when the question came; before `now` where something was loaded for it
 */
export function decide(request: VerificationRequest, view: View, now: number, since = now): Decision {
  const asked = view.realms.get(request.realm);
  if (asked === undefined) return failure("REALM_UNKNOWN");
  if (!view.directory.isFresh(now)) return failure("DIRECTORY_UNAVAILABLE");
  const way = wayOf(asked, request.token);
  const decision = judge(open(request, way, view, now, since));
  if (way.realm === asked) return decision;
  const target = way.realm.name;
  if (decision.kind !== "verified") return { ...decision, target };
  rememberWay(asked, way);
  // Member by member: spread would take a third of the time of a token seen before.
  const { kind, token, principal, evidence, checks } = decision;
  return { kind, token, principal, evidence, checks, target };
}

function judge(c: Case): Decision {
  const steps = stepsOf(c.realm);
  if (c.request.explain) {
    const { stop, checks } = explain(c, steps);
    if (stop === undefined) return verified(c, checks);
    return stop.kind === "rejected" ? { ...stop, checks } : stop;
  }
  for (const step of steps) {
    const stop = step.run(c);
    if (stop !== undefined) return stop;
  }
  return verified(c, []);
}

const ANYONE: Caller = { kind: "anyone" };
const NOTHING = Object.freeze({});

function open(request: VerificationRequest, { realm, digest }: Way, view: View, now: number, since: number): Case {
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
  };
}

function verified(c: Case, checks: readonly Check[]): Outcome {
  const { fact } = c;
  if (fact === undefined) return failure("INTERNAL"); // a way without a signature stage: never
  if (c.realm.policy.keysOf === "realm") fact.key.uses.note(c.now);
  const verdict: Verified = {
    kind: "verified",
    token: fact.token,
    principal: c.principal ?? fact.principal,
    evidence: evidence(c, fact),
    checks,
  };
  return verdict;
}

function evidence({ realm, view, now }: Case, fact: Fact): Evidence {
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
