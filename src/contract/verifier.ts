import type { Secret } from "../util/secret.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { FAILURES, type FailureCause, type FailureReason } from "./failures.js";
import type { MalformedForm, ReasonName } from "./reasons.js";
import type { Check, Evidence, Principal, Token } from "./verdict-parts.js";

export type { Check, CheckResult, Evidence, Instant, Position, Principal, Token } from "./verdict-parts.js";

/** How a caller authenticates. */
export type Credential =
  | { readonly kind: "instance"; readonly secretKey: Secret }
  | { readonly kind: "client"; readonly clientId: string; readonly clientSecret: Secret };

/** The evidence that the bearer of a bound token may use it. A token may need both. */
export interface Proof {
  readonly dpop: DpopProof | undefined;
  readonly clientCertificate: ClientCertificate | undefined;
}

/** A DPoP proof (RFC 9449), and the HTTP request that it came with. */
export interface DpopProof {
  /** The value of the request's `DPoP` header. */
  readonly proof: Secret;
  readonly method: string;
  /** The absolute URL as the bearer sees it. */
  readonly url: string;
  /** Whether the proof must hold a nonce of this service. */
  readonly nonceRequired: boolean;
}

/** The certificate of the TLS connection that the token arrived on (RFC 8705): its SHA-256, or itself in DER. */
export interface ClientCertificate {
  readonly form: "sha256" | "der";
  readonly bytes: Uint8Array;
}

/** The question: is this token good, under the policy of this realm? */
export interface VerificationRequest {
  /** The realm's name; exact and case-sensitive. */
  readonly realm: string;
  /** The token as the caller sent it, in any form. */
  readonly token: Secret;
  /** The caller's credential; undefined if the request has none. */
  readonly credential: Credential | undefined;
  /** The names in the client certificate of the connection; undefined without one. */
  readonly workload?: WorkloadNames | undefined;
  /** Whether the outcome lists the result of each check. */
  readonly explain: boolean;
  /** What the bearer proved to the caller; undefined for a plain bearer token. */
  readonly proof?: Proof | undefined;
}

/** What belongs to a call rather than to its question. */
export interface CallContext {
  /** The id of the call in every log line about it. */
  readonly requestId: string;
  /** The caller's IP address, for limits and logs; empty if there is none (in process, a Unix socket). */
  readonly address: string;
  /** The time after which the caller does not want the answer, in milliseconds since 1970; Infinity for never. */
  readonly deadline: number;
}

/** What every outcome has. */
interface Routed {
  /** The realm that judged, if it is not the one asked for. For the operator's log; no response contains it. */
  readonly target?: string;
}

/** What every verdict has. */
interface Answered extends Routed {
  /** The nonce for the bearer's next DPoP proof; undefined unless the request demanded one. */
  readonly dpopNonce?: string;
}

/** The token is good. The parts are immutable, and stay the same objects for the same token until they change. */
export interface Verified extends Answered {
  readonly kind: "verified";
  readonly token: Token;
  /** The user or client that the token is about; undefined if nothing identifies one. */
  readonly principal: Principal | undefined;
  readonly evidence: Evidence;
  /** The result of each check; empty unless the request asked for it. */
  readonly checks: readonly Check[];
}

/** The token is not good. */
export interface Rejected extends Answered {
  readonly kind: "rejected";
  /** Undefined for a reason of a later version: a plain rejection. */
  readonly reason: ReasonName | undefined;
  /** The claim or header parameter concerned; empty if there is none. */
  readonly claim: string;
  /** Whether the signature had verified before the reason was found; false if anybody may have made the token. */
  readonly signatureVerified: boolean;
  /** What is wrong with the form of a malformed token; undefined for other reasons. */
  readonly form?: MalformedForm | undefined;
  /** What to look at besides the reason, as a sentence for a developer; never empty. */
  readonly hint?: string;
  /** The `kid` of a token whose key is unknown or weak, as the caller sent it. For the operator's log; no response contains it. */
  readonly kid?: string;
  /** The result of each check; empty unless the request asked for it. */
  readonly checks: readonly Check[];
}

/** There is no verdict. Not a rejection: the token may be good. */
export interface Failure extends Routed {
  readonly kind: "failure";
  readonly reason: FailureReason;
  /** Milliseconds to wait before a retry; undefined if a retry does not help. */
  readonly retryAfter: number | undefined;
  /** The cause within the reason; undefined for most failures. */
  readonly cause?: FailureCause;
  /** The `kid` of a token whose key is unknown so far, or refused, as the caller sent it. For the operator's log; no response contains it. */
  readonly kid?: string;
}

/** An answer to the question. */
export type Verdict = Verified | Rejected;

/** The result of a call. */
export type Outcome = Verdict | Failure;

/** Makes a {@link Failure}. @param retryAfter milliseconds (default: the catalogue's) */
export function failure(reason: FailureReason, retryAfter = FAILURES[reason].retryAfter): Failure {
  return { kind: "failure", reason, retryAfter };
}

/**
 * Answers the question: the core itself, or a channel to another process.
 *
 * Returns a promise only if it has to wait for something. Neither throws nor rejects: every error is a {@link Failure}.
 */
export interface Verifier {
  verify(request: VerificationRequest, context: CallContext): Outcome | Promise<Outcome>;
}
