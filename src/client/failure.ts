import { FAILURES, type FailureReason } from "../contract/failures.js";
import type { Failure } from "../contract/verifier.js";

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

  /** @param unreached where no service was reached: the address, and what the transport says (the error's `cause`) */
  constructor(
    { reason, retryAfter }: Failure,
    requestId: string,
    unreached?: { readonly address: string; readonly why: string },
  ) {
    super(
      unreached === undefined ? FAILURES[reason].message : nobodyAt(unreached.address),
      unreached && { cause: new Error(unreached.why) },
    );
    this.reason = reason;
    this.code = FAILURES[reason].code;
    this.retryAfterMs = retryAfter;
    this.requestId = requestId;
  }
}

function nobodyAt(address: string): string {
  return (
    `No service can be reached at ${address}. See that it runs, that it listens there, and that this client and it ` +
    "agree about TLS; then try again."
  );
}
