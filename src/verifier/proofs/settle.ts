import { failure, type Outcome, type VerificationRequest, type Verified } from "../../contract/verifier.js";
import { type AcceptedProof, reject, type View } from "../decision-state.js";

/** A good verdict that rests on a DPoP proof which is not remembered yet. */
export interface Provisional extends Verified {
  readonly accepted: AcceptedProof;
}

/**
 * Ends a decision about a request with a proof: remembers the DPoP proof of a good token, and adds the nonce that the caller
 * demands. Called in the turn of the decision, so that of two calls with one proof the second finds it remembered.
 *
 * An explained call remembers nothing: it is a question of a person, who may ask again.
 */
export function settleProof(
  request: VerificationRequest,
  decision: Outcome | Provisional,
  view: View,
  now: number,
): Outcome {
  const outcome = "accepted" in decision ? remember(request, decision, view, now) : decision;
  const nonces = view.realms.get(request.realm)?.proofs.nonces;
  if (outcome.kind === "failure" || nonces === undefined || request.proof?.dpop?.nonceRequired !== true) return outcome;
  return { ...outcome, dpopNonce: nonces.current(request.realm, now) };
}

function remember(
  request: VerificationRequest,
  { accepted: { digest, until }, ...verdict }: Provisional,
  view: View,
  now: number,
): Outcome {
  if (request.explain) return verdict;
  const { target } = verdict;
  const routed = target === undefined ? {} : { target };
  const noted = view.realms.get(target ?? request.realm)?.proofs.memory.note(digest, until, now);
  if (noted === "noted") return verdict;
  if (noted === "replayed") return { ...reject("PROOF_REPLAYED", "", true), ...routed };
  return { ...failure("TOO_MANY_PROOFS"), ...routed };
}
