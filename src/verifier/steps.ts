import { type DecisionState, type EarlyEnd, reject, type Stage } from "./decision-state.js";
import { proofDetail } from "./proofs/proof-stage.js";
import type { Realm, Rule } from "./realm.js";
import { revocation } from "./revocation.js";
import { caller, detailKeyIssuer, key, keyIssuer, proof, shape, signature, subject } from "./stages.js";
import { detailUnverified } from "./unverified.js";

// The steps that a realm makes of the stages and of its rules, and which of them a token with a cached fact still needs.

/** One step of a decision: a stage or a rule. */
export interface Step {
  /** Name in explanations. */
  readonly check: string;
  /** The claim or header parameter concerned; empty if there is none. */
  readonly claim: string;
  readonly run: Stage;
  /** Whether explanations list the step; default always. */
  readonly isShown?: (state: DecisionState) => boolean;
  /** What an explanation adds if the step failed. */
  readonly detail?: (state: DecisionState, end: EarlyEnd) => string;
  /** The rule, if the step is one, for its details. */
  readonly rule?: Rule;
  /** For a step whose result for a fact never changes: the one rejection that it makes, or null if it lets every fact pass. */
  readonly settles?: EarlyEnd | null;
}

/** The steps of a realm. */
interface RealmSteps {
  /** All of them, in order. */
  readonly all: readonly Step[];
  /** Those up to where the token's fact is looked up; they run on every call. */
  readonly opening: readonly Step[];
  /**
   * What follows them, by {@link Fact.plan}: everything; only what can change, once the rest is settled; and for each
   * settled rejection, what can change before it, and it.
   */
  readonly plans: readonly (readonly Step[])[];
  /** The plan of a fact that a step rejected for good. */
  readonly planOf: ReadonlyMap<Step, number>;
}

const stage = (check: string, run: Stage): Step => ({ check, claim: "", run });

function ruleStep(rule: Rule): Step {
  const { check, reason, claim, test, hint } = rule;
  const rejection = reject(reason, claim, !rule.beforeSignature);
  const run: Stage =
    hint === undefined || rule.beforeSignature
      ? (state) => (test(state.claims, state) ? undefined : rejection)
      : (state) => {
          if (test(state.claims, state)) return undefined;
          const text = hint(state.claims, state);
          return text === "" ? rejection : { ...rejection, hint: text };
        };
  return { check, claim, run, rule, ...(rule.dependsOn === "token" && { settles: rejection }) };
}

const OPENING: readonly Step[] = [stage("caller", caller), stage("shape", shape)];

/** The step after which the token's claims are known to be signed. */
export const SIGNATURE: Step = { ...stage("signature", signature), detail: detailUnverified, settles: null };
const KEY_ISSUER: Step = {
  check: "key issuer",
  claim: "iss",
  run: keyIssuer,
  isShown: ({ fact }) => fact?.key.issuers !== undefined,
  detail: detailKeyIssuer,
  // A fact of a key for other issuers is not cached.
  settles: null,
};

function makeSteps({ policy: { rules, keysOf } }: Realm): RealmSteps {
  const rest: readonly Step[] = [
    ...rules.filter((rule) => rule.beforeSignature).map(ruleStep),
    { ...stage("key", key), detail: detailUnverified, settles: null },
    SIGNATURE,
    // Before every rule about claims: what another issuer's key signed is a forgery, whatever else is wrong with it.
    ...(keysOf === "realm" ? [KEY_ISSUER] : []),
    ...rules.filter((rule) => !rule.beforeSignature && !rule.afterSubject).map(ruleStep),
    stage("revocation", revocation),
    stage("subject", subject),
    { check: "proof", claim: "cnf", run: proof, detail: proofDetail },
    // Last, so that a rejection by one of these means that the token lacks a scope and nothing else.
    ...rules.filter((rule) => rule.afterSubject).map(ruleStep),
  ];
  const canChange = ({ settles }: Step): boolean => settles === undefined;
  const plans = [rest, rest.filter(canChange)];
  const planOf = new Map<Step, number>();
  for (const [index, step] of rest.entries()) {
    const { settles } = step;
    if (settles === undefined || settles === null) continue;
    planOf.set(step, plans.length);
    plans.push([...rest.slice(0, index).filter(canChange), { ...step, run: () => settles }]);
  }
  return { all: [...OPENING, ...rest], opening: OPENING, plans, planOf };
}

const STEPS = new WeakMap<Realm, RealmSteps>();

/** The steps of a realm's decisions. */
export function stepsOf(realm: Realm): RealmSteps {
  let steps = STEPS.get(realm);
  if (steps === undefined) {
    steps = makeSteps(realm);
    STEPS.set(realm, steps);
  }
  return steps;
}

/** {@link Fact.plan} of a fact about which nothing is settled, and of one that passed everything that cannot change. */
const [EVERYTHING, WHAT_CHANGES] = [0, 1];

/**
 * Runs the steps of a decision until one ends it; undefined for a good token.
 *
 * What a step found that depends on the token alone is remembered with its fact. The order of the others stays, so the
 * rejection is the one that all steps would give.
 */
export function runSteps(state: DecisionState): EarlyEnd | undefined {
  const { opening, plans, planOf } = stepsOf(state.realm);
  for (let index = 0; index < opening.length; index++) {
    const end = (opening[index] as Step).run(state);
    if (end !== undefined) return end;
  }
  const plan = state.fact?.plan ?? EVERYTHING;
  const steps = plans[plan] as readonly Step[];
  for (let index = 0; index < steps.length; index++) {
    const step = steps[index] as Step;
    const end = step.run(state);
    if (end === undefined) continue;
    if (plan === EVERYTHING && state.fact !== undefined) state.fact.plan = planOf.get(step) ?? EVERYTHING;
    return end;
  }
  if (plan === EVERYTHING && state.fact !== undefined) state.fact.plan = WHAT_CHANGES;
  return undefined;
}
