/**
 * The Node client of Token Verifier.
 *
 * @module token-verifier-client
 */
export type { Check, Evidence, Principal, Token } from "../contract/verifier.js";
export type { BatchBounds } from "./coalescer.js";
export { type CallOptions, type ConnectOptions, connect, type VerifierClient } from "./connect.js";
export { CaFileError, type ClientTls } from "./tls.js";
export {
  type FailureCause,
  type FailureReason,
  type ReasonName,
  type RejectedToken,
  type TokenProof,
  type Verdict,
  VerificationFailure,
  type VerifiedToken,
  type VerifyRequest,
} from "./verdict.js";
export type { CacheOptions, CacheStatistics } from "./verdict-cache.js";
