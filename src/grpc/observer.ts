import type { FailureReason } from "../contract/failures.js";
import type { CallContext, KnownCaller, Outcome } from "../contract/verifier.js";
import { swallowErrors } from "../util/swallow-errors.js";

/** The RPCs of TokenVerifier. */
export type Rpc = "VerifyToken" | "BatchVerifyTokens" | "StreamVerifyTokens";

/** A finished verification. */
export interface Verification {
  readonly rpc: Rpc;
  /** The call it belongs to: its request id and the caller's address. */
  readonly call: CallContext;
  /** The realm as the caller wrote it: there may be no such realm. */
  readonly realm: string;
  readonly outcome: Outcome;
  readonly caller: KnownCaller;
  /** How many identical requests of a batch it answered; 1 outside batches. */
  readonly items: number;
  /** Milliseconds from the call's arrival (in a stream, the message's) to the outcome. */
  readonly millis: number;
}

/** Is told of what the service does: logs and metrics hang on it. What its methods throw is dropped. */
export interface CallObserver {
  /** A verification has finished, well or not; once for each. The answer was handed over before, or is about to be. */
  verified(verification: Verification): void;
  /** A call, or a stream, was refused before anything was verified. */
  refused(rpc: Rpc, call: CallContext, reason: FailureReason): void;
  /** Something was thrown that should not have been; the caller got INTERNAL. */
  fault(rpc: Rpc, call: CallContext, error: unknown): void;
}

/** The same observer, which cannot fail a call any more. */
export function harmless(observer: CallObserver): CallObserver {
  return {
    verified: swallowErrors((verification) => observer.verified(verification)),
    refused: swallowErrors((rpc, call, reason) => observer.refused(rpc, call, reason)),
    fault: swallowErrors((rpc, call, error) => observer.fault(rpc, call, error)),
  };
}
