import { status } from "@grpc/grpc-js";
import { FAILURES, type FailureReason } from "../contract/failures.js";
import type { Failure } from "../contract/verifier.js";

type ByCode = Partial<Record<number, FailureReason>>;

// What a code without a reason of ours means: it comes from the transport, a proxy or the caller's own deadline.
const FOREIGN: ByCode = {
  [status.DEADLINE_EXCEEDED]: "TIMED_OUT",
  [status.UNAVAILABLE]: "VERIFIER_UNAVAILABLE",
  [status.CANCELLED]: "VERIFIER_UNAVAILABLE",
  [status.ABORTED]: "VERIFIER_UNAVAILABLE",
  [status.RESOURCE_EXHAUSTED]: "VERIFIER_UNAVAILABLE",
  [status.UNKNOWN]: "VERIFIER_UNAVAILABLE",
};

// What a reason of a later version means, by its code: only our own service says one, so these speak of the call.
const LATER: ByCode = {
  ...FOREIGN,
  [status.NOT_FOUND]: "REALM_UNKNOWN",
  [status.INVALID_ARGUMENT]: "CREDENTIAL_REFUSED",
  [status.UNAUTHENTICATED]: "CALLER_UNKNOWN",
  [status.PERMISSION_DENIED]: "EXPLAIN_DENIED",
  [status.RESOURCE_EXHAUSTED]: "RATE_LIMITED",
};

/** The failure that a status code means, without a reason of ours or with one that this version does not know. */
const reader =
  (byCode: ByCode) =>
  (code: number | undefined, retryAfter: number | undefined): Failure => {
    const reason = (code !== undefined && byCode[code]) || "INTERNAL";
    return { kind: "failure", reason, retryAfter: retryAfter ?? FAILURES[reason].retryAfter };
  };

/**
 * The failure of a call, or of an item of a batch, whose reason this version does not know.
 *
 * @param code the gRPC status code; INTERNAL where it says nothing of the kind
 * @param retryAfter milliseconds, as it was sent (default: the catalogue's)
 */
export const laterFailure = reader(LATER);

/** The failure of a call that gives no reason of ours. The parameters are those of {@link laterFailure}. */
export const foreignFailure = reader(FOREIGN);
