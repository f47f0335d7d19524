import { failure, type Outcome, type VerificationRequest, type Verified } from "../../contract/verifier.js";
import { type AcceptedProof, reject, type View } from "../decision-state.js";
import type { Noted, ProofMemory } from "./replay-memory.js";

/** A good verdict that rests on a DPoP proof which is not remembered yet. */
export interface Provisional extends Verified {
  readonly accepted: AcceptedProof;
}

/**
 * Ends a decision about a request with a proof: remembers the DPoP proof of a good token, and adds the nonce that the caller
 * demands. Called in the turn of the decision, so that of two calls with one proof the second finds it remembered.
 *
 * An explained call remembers nothing: it is a question of a person, who may ask again.
 *
 * @returns a promise only where another process remembers the proofs
 */
export function settleProof(
  request: VerificationRequest,
  decision: Outcome | Provisional,
  view: View,
  now: number,
): Outcome | Promise<Outcome> {
  if (!("accepted" in decision)) return withNonce(request, decision, view, now);
  const { accepted, ...verdict } = decision;
  const noted = request.explain
    ? "noted"
    : proofMemory(request, verdict, view)?.note(accepted.digest, accepted.until, now);
  return noted instanceof Promise
    ? noted.then((late) => withNonce(request, afterNote(verdict, late), view, now))
    : withNonce(request, afterNote(verdict, noted), view, now);
}

/** The memory of the realm that judged a token. */
export function proofMemory(
  { realm }: VerificationRequest,
  { target }: Pick<Outcome, "target">,
  view: View,
): ProofMemory | undefined {
  return view.realms.get(target ?? realm)?.proofs.memory;
}

function withNonce(request: VerificationRequest, outcome: Outcome, view: View, now: number): Outcome {
  const nonces = view.realms.get(request.realm)?.proofs.nonces;
  if (outcome.kind === "failure" || nonces === undefined || request.proof?.dpop?.nonceRequired !== true) return outcome;
  return { ...outcome, dpopNonce: nonces.current(request.realm, now) };
}

function afterNote(verdict: Verified, noted: Noted | undefined): Outcome {
  if (noted === "noted") return verdict;
  const { target } = verdict;
  const routed = target === undefined ? {} : { target };
  if (noted === "replayed") return { ...reject("PROOF_REPLAYED", "", true), ...routed };
  return { ...failure("TOO_MANY_PROOFS"), ...routed };
}
