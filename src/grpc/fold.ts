import type { FailureReason } from "../contract/failures.js";
import type { Credential, Outcome, VerificationRequest } from "../contract/verifier.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { withWorkload } from "../wire/requests.js";
import { MAX_CALLERS, type ServiceLimits } from "./limits.js";

/** One of the distinct requests of a batch. */
export interface DistinctRequest {
  readonly request: VerificationRequest;
  /** How many requests of the batch are equal to it, itself included. */
  count: number;
  /** Undefined until it is known. */
  outcome: Outcome | undefined;
}

/** A batch, with equal requests as one. */
export interface FoldedBatch {
  /** In the order of their first appearance. */
  readonly distinct: readonly DistinctRequest[];
  /** The distinct request of each place in the batch. */
  readonly places: readonly DistinctRequest[];
}

/** A request without a proof, and how to find others with its token. */
interface Candidate extends DistinctRequest {
  /** The number of its caller, and whether it asks for an explanation. */
  readonly variant: number;
  /** The next one of the same token and realm. There is at most one for each caller and each value of `explain`. */
  next: Candidate | undefined;
  /** The first one for each further realm. */
  elsewhere: Map<string, Candidate> | undefined;
}

/**
 * Folds equal requests of a batch into one, or says why the batch is refused as a whole. Two requests are equal if realm,
 * token, credential and explain are, and neither has a proof, which counts once.
 *
 * Takes time in proportion to the number of requests, however alike they are.
 *
 * @param workload the names in the client certificate of the connection, which each request gets
 */
export function foldBatch(
  requests: readonly VerificationRequest[],
  limits: Pick<ServiceLimits, "batch">,
  workload: WorkloadNames | undefined,
): FoldedBatch | FailureReason {
  if (requests.length > limits.batch) return "BATCH_TOO_LARGE";
  const callers: Credential[] = [];
  const distinct: DistinctRequest[] = [];
  const places: DistinctRequest[] = [];
  const byToken = new Map<string, Candidate>();
  for (const message of requests) {
    const request = withWorkload(message, workload);
    const caller = numberOf(request.credential, callers);
    if (caller > MAX_CALLERS) return "TOO_MANY_CALLERS";
    let one: DistinctRequest;
    if (request.proof === undefined) {
      one = candidateOf(request, 2 * caller + (request.explain ? 1 : 0), byToken);
    } else {
      one = { request, count: 0, outcome: undefined };
    }
    if (one.count++ === 0) distinct.push(one);
    places.push(one);
  }
  return { distinct, places };
}

/** The number of a credential among those seen, which it joins if it is new; 0 for none. */
function numberOf(credential: Credential | undefined, seen: Credential[]): number {
  if (credential === undefined) return 0;
  // Credentials that come in a row are one object.
  const known = seen.indexOf(credential);
  if (known >= 0) return known + 1;
  const equal = seen.findIndex((other) => isEqual(credential, other));
  return equal >= 0 ? equal + 1 : seen.push(credential);
}

function isEqual(one: Credential, other: Credential): boolean {
  if (one.kind === "instance") {
    return other.kind === "instance" && one.secretKey.reveal() === other.secretKey.reveal();
  }
  const isClient = other.kind === "client" && one.clientId === other.clientId;
  return isClient && one.clientSecret.reveal() === other.clientSecret.reveal();
}

/** The candidate for a request: an equal one seen before, or a new one. */
function candidateOf(request: VerificationRequest, variant: number, byToken: Map<string, Candidate>): Candidate {
  const { realm } = request;
  const token = request.token.reveal();
  const first = byToken.get(token);
  if (first === undefined) return addTo(byToken, token, request, variant);
  let same = first;
  if (first.request.realm !== realm) {
    first.elsewhere ??= new Map();
    const other = first.elsewhere.get(realm);
    if (other === undefined) return addTo(first.elsewhere, realm, request, variant);
    same = other;
  }
  while (same.variant !== variant) same = same.next ??= newCandidate(request, variant);
  return same;
}

const newCandidate = (request: VerificationRequest, variant: number): Candidate => ({
  request,
  variant,
  count: 0,
  outcome: undefined,
  next: undefined,
  elsewhere: undefined,
});

function addTo(
  candidates: Map<string, Candidate>,
  name: string,
  request: VerificationRequest,
  variant: number,
): Candidate {
  const one = newCandidate(request, variant);
  candidates.set(name, one);
  return one;
}
