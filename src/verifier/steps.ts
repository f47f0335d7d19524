import type { Realm, Rule } from "./realm.js";
import { caller, key, knownKids, revocation, shape, signature, subject } from "./stages.js";
import { type Case, reject, type Stage } from "./view.js";

/** One step of a token's way. */
export interface Step {
  /** Its name in explanations. */
  readonly check: string;
  /** The claim or header parameter concerned; empty where there is none. */
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
      : (c) => {
          if (test(c.claims, c)) return undefined;
          const text = hint(c.claims, c);
          return text === "" ? rejection : { ...rejection, hint: text };
        };
  return { check, claim, run, rule };
}

/** The step before which nothing is said of what nobody signed. */
export const SIGNATURE = stage("signature", signature);
const STEPS = new WeakMap<Realm, readonly Step[]>();

/** The way of a token through a realm, in order. */
export function stepsOf(realm: Realm): readonly Step[] {
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
