import type { CallContext, Failure, Outcome, VerificationRequest, Verifier } from "../contract/verifier.js";
import { failure } from "../contract/verifier.js";
import type { Clock } from "../util/clock.js";
import { decide, type Needs } from "./decide.js";
import type { KeysNeed, Need, View } from "./decision-state.js";
import { type Provisional, proofMemory, settleProof } from "./proofs/settle.js";

/** Most decisions made after the first one, each after something was loaded. */
const MAX_ROUNDS = 4;

/** Loads what a decision needs. Resolves with undefined once it is loaded, or with the failure to answer; never rejects. */
export type Load = (need: Need, deadline: number) => Promise<Failure | undefined>;

/**
 * The core as a {@link Verifier}: makes a decision, and if it needs something, loads that and decides again from the start.
 * Answers NO_VERDICT if four loads were not enough.
 *
 * @param current holds the current view, which a reload replaces
 */
export function createVerifier(current: { readonly view: View }, clock: Clock, load: Load): Verifier {
  async function loadAndDecide(
    request: VerificationRequest,
    { deadline }: CallContext,
    first: Needs,
    since: number,
  ): Promise<Outcome> {
    let needs = first;
    const fail = (failed: Failure): Failure =>
      needs.target === undefined ? failed : { ...failed, target: needs.target };
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const failed = await load(needs.need, deadline);
      if (failed !== undefined) return fail(failed);
      const now = clock();
      if (now >= deadline) return fail(failure("TIMED_OUT"));
      const decision = decide(request, current.view, now, since);
      if (decision.kind !== "needs") return settle(request, decision, now, since);
      needs = decision;
    }
    return fail(failure("NO_VERDICT"));
  }

  function settle(
    request: VerificationRequest,
    decision: Outcome | Provisional,
    now: number,
    since: number,
  ): Outcome | Promise<Outcome> {
    const { view } = current;
    if (!request.explain || !("accepted" in decision)) return settleProof(request, decision, view, now);
    // An explanation reports a replay as a failed check, so it is made once more when another process knows of one.
    const looked = proofMemory(request, decision, view)?.look?.(decision.accepted.digest, now);
    if (looked === undefined) return settleProof(request, decision, view, now);
    return looked.then((isKnown) => {
      const again = isKnown ? decide(request, view, now, since) : decision;
      return again.kind === "needs" ? failure("NO_VERDICT") : settleProof(request, again, view, now);
    });
  }

  return {
    verify(request, context) {
      const now = clock();
      const decision = decide(request, current.view, now);
      if (decision.kind === "needs") return loadAndDecide(request, context, decision, now);
      return request.proof === undefined ? decision : settle(request, decision, now, now);
    },
  };
}

/**
 * Loads the keys that a decision needs. If they cannot be loaded, the failure's cause is `cooldown` when the realm's keys are
 * fresh and only the token's is unknown: anyone can bring that about with a made-up `kid`, so it is no fault of the service.
 */
export async function loadNeededKeys(
  { realm: { keys }, kid, since }: KeysNeed,
  deadline: number,
  clock: Clock,
): Promise<Failure | undefined> {
  const retryAfter = await keys.load(kid, since, deadline);
  if (retryAfter === undefined) return undefined;
  const isFresh = keys.current(clock()) !== undefined && !keys.isStale();
  return {
    ...failure("KEYS_UNAVAILABLE", retryAfter),
    ...(isFresh && { cause: "cooldown" }),
    ...(kid !== undefined && { kid }),
  };
}
