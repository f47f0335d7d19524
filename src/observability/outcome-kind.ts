import type { CallOutcome } from "../contract/call.js";
import { FAILURES, type StatusName } from "../contract/failures.js";

/**
 * The kinds of what comes of a call, as metrics and the log tell them apart.
 *
 * `refused`: answered before the verifier was asked. `probe`: a gateway asked who is calling, with an empty token, and the
 * caller is good. `waiting`: the token's key is not known yet, as that of any token with a made-up `kid`. `preflight`: a
 * browser asked whether a page may ask.
 */
export type OutcomeKind = "verified" | "rejected" | "failed" | "refused" | "probe" | "waiting" | "preflight";

/** Which kind it is. */
export function kindOf(outcome: CallOutcome): OutcomeKind {
  if (outcome === undefined) return "refused";
  if (outcome === "preflight") return outcome;
  if (outcome.kind !== "failure") return outcome.kind;
  if (outcome.reason === "TOKEN_EMPTY") return "probe";
  return outcome.cause === "cooldown" ? "waiting" : "failed";
}

const SERVER_FAULTS: ReadonlySet<StatusName> = new Set(["UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED"]);

/** Whether the service's own fault kept it from a verdict. */
export function isFault(outcome: CallOutcome): boolean {
  if (typeof outcome !== "object" || outcome.kind !== "failure") return false;
  return kindOf(outcome) === "failed" && SERVER_FAULTS.has(FAILURES[outcome.reason].status);
}
