import { hash } from "node:crypto";
import type { ClientCertificate } from "../../contract/verifier.js";
import { type AcceptedProof, type DecisionState, type EarlyEnd, reject } from "../decision-state.js";
import { isProvable } from "./confirmation.js";
import { checkDpop, type DpopContext, type GoodProof, isFault, MAX_PROOF_AGE, type ProofFault } from "./dpop.js";

// Whether the bearer of a bound token may use it. This comes last, so a rejection means that all else about it is good.

/**
 * Checks the proofs of a token that is bound, or that came with a proof. Only reads the memory of proofs, since a decision may
 * be made several times.
 */
export function checkProofs(state: DecisionState): EarlyEnd | undefined {
  const found = findFault(state);
  if (found === undefined) return undefined;
  if ("digest" in found) {
    state.accepted = found;
    return undefined;
  }
  const { reason, claim, hint } = found;
  return { ...reject(reason, claim, true), ...(hint !== undefined && { hint }) };
}

/** Says which part of a proof is at fault. */
export function proofDetail(state: DecisionState): string {
  const found = findFault(state);
  return found === undefined || "digest" in found ? "" : found.why;
}

const fault = (reason: ProofFault["reason"], claim: string, why: string): ProofFault => ({ reason, claim, why });

const NOT_BOUND = fault("CLAIM_MISSING", "cnf", "This realm requires tokens that are bound.");
const UNPROVABLE = fault("PROOF_MISMATCH", "cnf", "'cnf' is empty, or has another member than 'jkt' and 'x5t#S256'.");
const NO_DPOP = fault("PROOF_MISSING", "cnf", "The token has 'cnf.jkt', and the request has no DPoP proof.");
const NO_CERTIFICATE = fault(
  "PROOF_MISSING",
  "cnf",
  "The token has 'cnf.x5t#S256', and the request has no client certificate.",
);
const NO_JKT = fault("PROOF_MISMATCH", "cnf", "The request has a DPoP proof, and the token has no 'cnf.jkt'.");
const NO_X5T = fault("PROOF_MISMATCH", "cnf", "The request has a client certificate, and the token no 'cnf.x5t#S256'.");
const REPLAYED = fault("PROOF_REPLAYED", "", "A proof of this key with this 'jti' was accepted before.");

/** The first fault; the accepted DPoP proof if there is none; undefined if there is no DPoP proof. */
function findFault(state: DecisionState): ProofFault | AcceptedProof | undefined {
  const { realm, request, fact, claims } = state;
  const { dpop, clientCertificate } = request.proof ?? {};
  const confirmation = fact?.token.confirmation;
  if (realm.bound === "require" && confirmation === undefined) return NOT_BOUND;
  const { jkt, x5tS256 } = confirmation ?? { jkt: "", x5tS256: "" };
  if (realm.bound !== "ignore" && confirmation !== undefined) {
    if (!isProvable(claims)) return UNPROVABLE;
    if (jkt !== "" && dpop === undefined) return NO_DPOP;
    if (x5tS256 !== "" && clientCertificate === undefined) return NO_CERTIFICATE;
  }
  // A proof that is given is checked in any realm.
  if (dpop !== undefined && jkt === "") return NO_JKT;
  if (clientCertificate !== undefined && x5tS256 === "") return NO_X5T;
  const unlike = clientCertificate && checkCertificate(clientCertificate, x5tS256);
  if (unlike !== undefined || dpop === undefined) return unlike;
  const found = checkDpop(dpop, contextOf(state, jkt));
  return isFault(found) ? found : unused(found, state);
}

function contextOf({ realm, request, digest, seconds, now }: DecisionState, jkt: string): DpopContext {
  return {
    jkt,
    ath: Buffer.from(digest, "latin1").toString("base64url"),
    seconds,
    algorithms: realm.proofAlgorithms,
    keys: realm.proofs.keys,
    // The name that the caller asks by, so that one nonce serves all realms of a route.
    acceptsNonce: (nonce) => realm.proofs.nonces.accepts(request.realm, nonce, now),
  };
}

function unused({ key, jti, iat }: GoodProof, { realm, now }: DecisionState): ProofFault | AcceptedProof {
  const { memory } = realm.proofs;
  const digest = memory.digest(key.thumbprint, jti);
  return memory.has(digest, now) ? REPLAYED : { digest, until: iat + MAX_PROOF_AGE };
}

/** Bytes that a certificate's SHA-256 has, and that a certificate may have. */
const [DIGEST_BYTES, MAX_CERTIFICATE_BYTES] = [32, 16 * 1024];

function checkCertificate({ form, bytes }: ClientCertificate, x5tS256: string): ProofFault | undefined {
  const isFit =
    form === "sha256" ? bytes.length === DIGEST_BYTES : bytes.length > 0 && bytes.length <= MAX_CERTIFICATE_BYTES;
  if (!isFit)
    return fault("PROOF_INVALID", "", "The client certificate is not 32 bytes of SHA-256, or up to 16 KiB of DER.");
  const digest = form === "sha256" ? Buffer.from(bytes).toString("base64url") : hash("sha256", bytes, "base64url");
  if (digest === x5tS256) return undefined;
  return fault("PROOF_MISMATCH", "cnf", "The client certificate's SHA-256 is not the token's 'cnf.x5t#S256'.");
}
