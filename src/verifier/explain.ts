import { reasonMessage } from "../contract/reasons.js";
import type { Check, CheckResult, Rejected } from "../contract/verifier.js";
import type { DecisionState, EarlyEnd } from "./decision-state.js";
import type { Realm } from "./realm.js";
import { SIGNATURE, type Step } from "./steps.js";

/** A decision with the result of each check. */
export interface Explanation {
  /** The first early end; undefined for a good token. */
  readonly end: EarlyEnd | undefined;
  readonly checks: readonly Check[];
}

const EARLIER = "An earlier check failed.";
const NOT_AT_HAND = "An earlier check failed, and what this one looks at is not at hand.";

/**
 * Runs all steps of a decision and reports each. It goes on after a rule has failed, so that everything that is wrong is
 * reported at once. After a failure up to the signature it skips the rest, whose claims are not signed.
 *
 * The verdict is that of a plain decision: once the token is rejected, a check that needs something loaded is skipped.
 */
export function explain(state: DecisionState, steps: readonly Step[]): Explanation {
  const checks: Check[] = state.realm.name === state.request.realm ? [] : [routedTo(state.realm)];
  const lastUnsigned = steps.indexOf(SIGNATURE);
  let first: Rejected | undefined;
  let skipsRest = false;
  for (const [index, step] of steps.entries()) {
    if (step.isShown?.(state) === false) continue;
    if (skipsRest) {
      checks.push(entry(step, "skipped", EARLIER));
      continue;
    }
    const end: EarlyEnd | undefined = step.run(state);
    if (end === undefined || end.kind === "rejected") {
      first ??= end;
      skipsRest = end !== undefined && index <= lastUnsigned;
      checks.push(found(step, end, detailOf(step, state, end, index > lastUnsigned)));
    } else if (first === undefined) {
      return { end, checks };
    } else {
      checks.push(entry(step, "skipped", NOT_AT_HAND));
    }
  }
  return { end: first, checks };
}

function found(step: Step, end: Rejected | undefined, detail: string): Check {
  if (end?.reason === undefined) return entry(step, "passed", detail);
  const { reason, claim, form } = end;
  const message = `${reasonMessage(reason, claim, form)} ${detail}`.trim();
  return { ...entry(step, "failed", message), reason, claim };
}

/** The detail of a step. Up to the signature only a failure has one, because nothing the token says is signed yet. */
function detailOf({ detail, rule }: Step, state: DecisionState, end: Rejected | undefined, isSigned: boolean): string {
  if (end !== undefined && detail !== undefined) return detail(state, end);
  return end !== undefined || isSigned ? (rule?.detail?.(state.claims, state) ?? "") : "";
}

/** Names the realm that verifies the token instead of the one asked for. */
function routedTo({ name }: Realm): Check {
  return entry({ check: "realm", claim: "" }, "passed", `Handed to the realm ${name}.`);
}

function entry({ check, claim }: Pick<Step, "check" | "claim">, result: CheckResult, message: string): Check {
  return { name: check, result, reason: undefined, claim, message };
}
