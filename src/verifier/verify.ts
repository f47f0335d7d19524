import type { CallContext, Failure, Outcome, VerificationRequest, Verifier } from "../contract/verifier.js";
import { failure } from "../contract/verifier.js";
import type { Clock } from "../util/clock.js";
import { decide, type Lacking } from "./decide.js";
import type { Lack, View } from "./view.js";

/** How often a decision is sought again after something was loaded for it. */
const ROUNDS = 4;

/** Loads what a decision lacks. Resolves with undefined once it is known, with the failure where it cannot be had; never rejects. */
export type Load = (lack: Lack, deadline: number) => Promise<Failure | undefined>;

/**
 * The core, as a {@link Verifier}: decides, and where something is lacking loads it and decides again from the start.
 *
 * @param view the view of the moment; another one after a reload
 */
export function createVerifier(view: () => View, clock: Clock, load: Load): Verifier {
  async function settle(
    request: VerificationRequest,
    { deadline }: CallContext,
    first: Lacking,
    since: number,
  ): Promise<Outcome> {
    let lacking = first;
    const fail = (failed: Failure): Failure =>
      lacking.target === undefined ? failed : { ...failed, target: lacking.target };
    for (let round = 0; round < ROUNDS; round++) {
      const failed = await load(lacking.lack, deadline);
      if (failed !== undefined) return fail(failed);
      const now = clock();
      if (now >= deadline) return fail(failure("TIMED_OUT"));
      const decision = decide(request, view(), now, since);
      if (decision.kind !== "lacks") return decision;
      lacking = decision;
    }
    return fail(failure("NO_VERDICT"));
  }
  return {
    verify(request, context) {
      const now = clock();
      const decision = decide(request, view(), now);
      return decision.kind === "lacks" ? settle(request, context, decision, now) : decision;
    },
  };
}
