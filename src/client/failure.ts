import { FAILURES, type FailureReason } from "../contract/failures.js";
import type { Failure } from "../contract/verifier.js";
import { statusNumber } from "../wire/catalogue.js";

/**
 * No verdict was reached. Never take it for a rejection: the token may be good.
 *
 * ```ts
 * catch (error) {
 *   if (error instanceof VerificationFailure && error.retryAfterMs !== undefined) …
 * }
 * ```
 */
export class VerificationFailure extends Error {
  override readonly name = "VerificationFailure";
  /** Why, as in the proto's ErrorReason without its prefix. */
  readonly reason: FailureReason;
  /** The gRPC status code (14: UNAVAILABLE). */
  readonly code: number;
  /** Milliseconds to wait before another try; undefined where trying again is no use. */
  readonly retryAfterMs: number | undefined;
  /** What the service's log knows the call by. */
  readonly requestId: string;

  /** @param unreached where no service was reached: what is known of it, and what the transport says */
  constructor(
    { reason, retryAfter }: Failure,
    requestId: string,
    unreached?: { readonly message: string; readonly cause: Error },
  ) {
    super(unreached?.message ?? FAILURES[reason].message, unreached && { cause: unreached.cause });
    this.reason = reason;
    this.code = statusNumber(FAILURES[reason].status);
    this.retryAfterMs = retryAfter;
    this.requestId = requestId;
  }
}
