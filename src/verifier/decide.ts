import { CheckResult } from "../../gen/tokenverifier/v1/token_verifier.js";
import { reasonMessage, reasonNumber } from "../contract/reasons.js";
import {
  type Check,
  type Evidence,
  failure,
  type Outcome,
  type Rejected,
  type VerificationRequest,
  type Verified,
} from "../contract/verifier.js";
import type { Fact } from "./facts.js";
import type { Caller, Realm, Rule } from "./realm.js";
import { realmFor } from "./route.js";
import { caller, key, knownKids, revocation, shape, signature, subject } from "./stages.js";
import { type Case, type Lack, reject, type Stage, type View } from "./view.js";

/** What is lacking for an outcome. */
export interface Lacking extends Pick<Outcome, "target"> {
  readonly kind: "lacks";
  readonly lack: Lack;
}

/** An outcome, or what is lacking for one. */
export type Decision = Outcome | Lacking;

/**
 * Decides on a token: one look at an immutable view, nothing awaited, nothing changed (but the memory of facts). The
 * same request, view and time give the same decision.
 *
 * @param now milliseconds since 1970
 * @param since when the question came; before `now` where something was loaded for it
 */
export function decide(request: VerificationRequest, view: View, now: number, since = now): Decision {
  const asked = view.realms.get(request.realm);
  if (asked === undefined) return failure("REALM_UNKNOWN");
  if (!view.directory.isFresh(now)) return failure("DIRECTORY_UNAVAILABLE");
  const realm = realmFor(asked, request.token);
  const decision = judge(open(request, realm, view, now, since));
  return realm === asked ? decision : { ...decision, target: realm.name };
}

function judge(c: Case): Decision {
  const { request, realm } = c;
  const steps = stepsOf(realm);
  if (request.explain) return explain(c, steps);
  for (const step of steps) {
    const stop = step.run(c);
    if (stop !== undefined) return stop;
  }
  return verified(c, []);
}

/** One step of a token's way. */
interface Step {
  readonly check: string;
  readonly claim: string;
  readonly run: Stage;
  /** What an explanation adds where it failed. */
  readonly detail?: (c: Case) => string;
  /** The rule that it is, for its details. */
  readonly rule?: Rule;
}

const stage = (check: string, run: Stage): Step => ({ check, claim: "", run });

function ruleStep(rule: Rule): Step {
  const { check, reason, claim, test, hint } = rule;
  const rejection = reject(reason, claim);
  const run: Stage =
    hint === undefined || rule.ahead
      ? (c) => (test(c.claims, c) ? undefined : rejection)
      : (c) => (test(c.claims, c) ? undefined : { ...rejection, hint: hint(c.claims, c) });
  return { check, claim, run, rule };
}

const SIGNATURE = stage("signature", signature);
const STEPS = new WeakMap<Realm, readonly Step[]>();

/** The way of a token through a realm, in order. */
function stepsOf(realm: Realm): readonly Step[] {
  let steps = STEPS.get(realm);
  if (steps === undefined) {
    const { rules } = realm.policy;
    steps = [
      stage("caller", caller),
      stage("shape", shape),
      ...rules.filter((rule) => rule.ahead).map(ruleStep),
      { ...stage("key", key), detail: knownKids },
      SIGNATURE,
      ...rules.filter((rule) => !rule.ahead).map(ruleStep),
      stage("revocation", revocation),
      stage("subject", subject),
    ];
    STEPS.set(realm, steps);
  }
  return steps;
}

const ANYONE: Caller = { kind: "anyone" };
const NOTHING = Object.freeze({});

function open(request: VerificationRequest, realm: Realm, view: View, now: number, since: number): Case {
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
    digest: "",
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
  const seconds = age === undefined ? undefined : BigInt(Math.trunc(age / 1000));
  const stale = realm.keys.isStale();
  const last = fact.evidence;
  if (last?.feedPosition === position && last.keySetAge?.seconds === seconds && last.keySetStale === stale) return last;
  fact.evidence = {
    keySetAge: seconds === undefined ? undefined : { seconds, nanos: 0 },
    keySetStale: stale,
    feedPosition: position,
    cacheableUntil: fact.cacheableUntil,
  };
  return fact.evidence;
}

/**
 * The same way, told step by step. It goes on after a rule has failed, so that all that is wrong is told at once; but
 * after a failure up to the signature nothing more is said, for nobody signed what the rest would speak of.
 */
function explain(c: Case, steps: readonly Step[]): Decision {
  const checks: Check[] = c.realm.name === c.request.realm ? [] : [handedOn(c.realm)];
  const unsigned = steps.indexOf(SIGNATURE);
  let first: Rejected | undefined;
  let silent = false;
  for (const [index, step] of steps.entries()) {
    if (silent) {
      checks.push(entry(step, CheckResult.CHECK_RESULT_SKIPPED, "An earlier check failed."));
      continue;
    }
    const stop = step.run(c);
    if (stop !== undefined && stop.kind !== "rejected") return stop;
    first ??= stop;
    silent = stop !== undefined && index <= unsigned;
    const detail = detailOf(step, c, stop !== undefined, index > unsigned);
    checks.push(
      stop?.reason === undefined
        ? entry(step, CheckResult.CHECK_RESULT_PASSED, detail)
        : {
            ...entry(
              step,
              CheckResult.CHECK_RESULT_FAILED,
              `${reasonMessage(stop.reason, stop.claim)} ${detail}`.trim(),
            ),
            reason: reasonNumber(stop.reason),
            claim: stop.claim,
          },
    );
  }
  return first === undefined ? verified(c, checks) : { ...first, checks };
}

/** What a step saw. Before the signature has verified that is told of a failure alone: it speaks of what nobody signed. */
function detailOf({ detail, rule }: Step, c: Case, hasFailed: boolean, isSigned: boolean): string {
  if (hasFailed && detail !== undefined) return detail(c);
  return hasFailed || isSigned ? (rule?.detail?.(c.claims, c) ?? "") : "";
}

/** Says which realm verifies, where it is another than the one that was asked for. */
function handedOn({ name }: Realm): Check {
  return entry({ check: "realm", claim: "" }, CheckResult.CHECK_RESULT_PASSED, `Handed to the realm ${name}.`);
}

function entry({ check, claim }: Pick<Step, "check" | "claim">, result: CheckResult, message: string): Check {
  return { name: check, result, reason: 0, claim, message };
}
