/**
 * The client of Token Verifier for Node programs.
 *
 * @module token-verifier
 */
export type { Check, Evidence, Principal, Token } from "../contract/verifier.js";
export { type CallOptions, type ConnectOptions, connect, type VerifierClient } from "./connect.js";
export { VerificationFailure } from "./failure.js";
export { CaFileError, type ClientTls } from "./tls.js";
export type { FailureReason, ReasonName, RejectedToken, Verdict, VerifiedToken, VerifyRequest } from "./verdict.js";
