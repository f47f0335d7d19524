import { reasonMessage } from "../contract/reasons.js";
import type { Check, CheckResult, Rejected } from "../contract/verifier.js";
import type { Realm } from "./realm.js";
import { SIGNATURE, type Step } from "./steps.js";
import type { Case, Stop } from "./view.js";

/** The way of a token, told. */
export interface Explained {
  /** Where it ended first; undefined for a good token. */
  readonly stop: Stop | undefined;
  /** What each check found. */
  readonly checks: readonly Check[];
}

const EARLIER = "An earlier check failed.";
const NOT_AT_HAND = "An earlier check failed, and what this one looks at is not at hand.";

/**
 * The way of a token, told step by step. It goes on after a rule has failed, so that all that is wrong is told at once; but
 * after a failure up to the signature nothing more is said, for nobody signed what the rest would speak of.
 *
 * It never changes the verdict: once the token is known to be bad, a check that would need something loaded is skipped.
 */
export function explain(c: Case, steps: readonly Step[]): Explained {
  const checks: Check[] = c.realm.name === c.request.realm ? [] : [handedOn(c.realm)];
  const unsigned = steps.indexOf(SIGNATURE);
  let first: Rejected | undefined;
  let isSilent = false;
  for (const [index, step] of steps.entries()) {
    if (isSilent) {
      checks.push(entry(step, "skipped", EARLIER));
      continue;
    }
    const stop: Stop | undefined = step.run(c);
    if (stop === undefined || stop.kind === "rejected") {
      first ??= stop;
      isSilent = stop !== undefined && index <= unsigned;
      checks.push(found(step, stop, detailOf(step, c, stop !== undefined, index > unsigned)));
    } else if (first === undefined) {
      return { stop, checks };
    } else {
      checks.push(entry(step, "skipped", NOT_AT_HAND));
    }
  }
  return { stop: first, checks };
}

function found(step: Step, stop: Rejected | undefined, detail: string): Check {
  if (stop?.reason === undefined) return entry(step, "passed", detail);
  const { reason, claim } = stop;
  const message = `${reasonMessage(reason, claim)} ${detail}`.trim();
  return { ...entry(step, "failed", message), reason, claim };
}

/** What a step saw. Before the signature has verified that is told of a failure alone: it speaks of what nobody signed. */
function detailOf({ detail, rule }: Step, c: Case, hasFailed: boolean, isSigned: boolean): string {
  if (hasFailed && detail !== undefined) return detail(c);
  return hasFailed || isSigned ? (rule?.detail?.(c.claims, c) ?? "") : "";
}

/** Says which realm verifies, where it is another than the one that was asked for. */
function handedOn({ name }: Realm): Check {
  return entry({ check: "realm", claim: "" }, "passed", `Handed to the realm ${name}.`);
}

function entry({ check, claim }: Pick<Step, "check" | "claim">, result: CheckResult, message: string): Check {
  return { name: check, result, reason: undefined, claim, message };
}
