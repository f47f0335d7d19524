import type { Check, Evidence, Principal, Token } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Secret } from "../util/secret.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { FAILURES, type FailureReason } from "./failures.js";
import type { ReasonName } from "./reasons.js";

export type { Check, Evidence, Principal, Token } from "../../gen/tokenverifier/v1/token_verifier.js";

/** How a caller says who it is. */
export type Credential =
  | { readonly kind: "instance"; readonly secretKey: Secret }
  | { readonly kind: "client"; readonly clientId: string; readonly clientSecret: Secret };

/** The one question: is this token good, under the policy of this realm? */
export interface VerificationRequest {
  /** The realm's name; exact. */
  readonly realm: string;
  /** The token as the caller sent it; may be anything. */
  readonly token: Secret;
  /** Who asks; undefined where nobody says. */
  readonly credential: Credential | undefined;
  /** The names in the certificate that the caller's connection showed; undefined where it showed none. */
  readonly workload?: WorkloadNames | undefined;
  /** Whether the outcome shall list what each check found. */
  readonly explain: boolean;
}

/** What belongs to a call and not to its question. */
export interface CallContext {
  /** Stands in every log line of this call. */
  readonly requestId: string;
  /** The address that the call came from, for limits and logs; empty where there is none (in process, a socket file). */
  readonly address: string;
  /** When the answer is of no more use, in milliseconds since 1970; Infinity for never. */
  readonly deadline: number;
}

/** What belongs to an outcome of whatever kind. */
interface Routed {
  /** The realm that judged, where it is another than the one that was asked for. For the operator's log; no answer tells it. */
  readonly target?: string;
}

/** The token is good. Its parts are immutable, and the same objects for the same token as long as nothing about them changed. */
export interface Verified extends Routed {
  readonly kind: "verified";
  /** What the signed bytes say. */
  readonly token: Token;
  /** Whom the token speaks for. */
  readonly principal: Principal | undefined;
  /** What the verdict rests on. */
  readonly evidence: Evidence;
  /** What each check found; empty unless asked for. */
  readonly checks: readonly Check[];
}

/** The token is not good. */
export interface Rejected extends Routed {
  readonly kind: "rejected";
  /** Why; undefined for a reason that this version does not know (a later verifier's): a plain rejection. */
  readonly reason: ReasonName | undefined;
  /** The claim or header parameter concerned; empty where there is none. */
  readonly claim: string;
  /** What the message says besides the reason, as a sentence. */
  readonly hint?: string;
  /** Of a token whose key is unknown: its `kid`, as the caller sent it. For the operator's log; no answer tells it. */
  readonly kid?: string;
  /** What each check found; empty unless asked for. */
  readonly checks: readonly Check[];
}

/** No verdict was reached. Never to be taken for a rejection. */
export interface Failure extends Routed {
  readonly kind: "failure";
  readonly reason: FailureReason;
  /** Milliseconds to wait before another try; undefined where trying again is no use. */
  readonly retryAfter: number | undefined;
  /**
   * `cooldown`: all keys of the realm are fresh, and none fits; the issuer is asked anew for it once in a while. Anybody
   * can bring that about with a token of a made-up `kid`: it says nothing of the service. Undefined for any other cause.
   */
  readonly cause?: FailureCause;
  /** Of a token whose key is not known, or not yet: its `kid`, as the caller sent it. For the operator's log; no answer tells it. */
  readonly kid?: string;
}

/** Causes of failures that are told apart besides their reasons. */
export type FailureCause = "cooldown";

/** An answer to the question. */
export type Verdict = Verified | Rejected;

/** What became of a call. */
export type Outcome = Verdict | Failure;

/** Who asked, as far as that is certain. */
export interface KnownCaller {
  /** The credential, where it was good; undefined where none was given, or nobody knows whether it is. */
  readonly credential: Credential | undefined;
  /** The names in the certificate that the caller's connection showed; undefined where it showed none. */
  readonly workload: WorkloadNames | undefined;
}

/** Who asked a question, by what came of it. */
export function knownCaller({ credential, workload }: Asking, outcome: Outcome): KnownCaller {
  return { credential: isGoodCaller(outcome) ? credential : undefined, workload };
}

type Asking = Pick<VerificationRequest, "credential" | "workload">;

/** Whether an outcome shows that the caller is who it says: a verdict, or a failure that only a known caller gets. */
export function isGoodCaller(outcome: Outcome): boolean {
  return outcome.kind !== "failure" || NEEDS_GOOD_CALLER[outcome.reason];
}

/** Which failures nobody gets before it is certain who asks; one that may come before as well as after says nothing. */
const NEEDS_GOOD_CALLER: Readonly<Record<FailureReason, boolean>> = {
  TOKEN_EMPTY: true,
  EXPLAIN_DENIED: true,
  KEYS_UNAVAILABLE: true,
  TOO_MANY_KEYS: true,
  REALM_UNKNOWN: false,
  CREDENTIAL_REFUSED: false,
  CALLER_MISSING: false,
  CALLER_UNKNOWN: false,
  CALLER_DENIED: false,
  RATE_LIMITED: false,
  BATCH_TOO_LARGE: false,
  TOO_MANY_CALLERS: false,
  ID_TOO_LONG: false,
  TOO_MANY_STREAMS: false,
  // The caller may be what could not be read, or what changed.
  DIRECTORY_UNAVAILABLE: false,
  NO_VERDICT: false,
  TIMED_OUT: false,
  SHUTTING_DOWN: false,
  VERIFIER_UNAVAILABLE: false,
  INTERNAL: false,
};

/** Makes a {@link Failure}. @param retryAfter milliseconds; the catalogue's value where it is left out */
export function failure(reason: FailureReason, retryAfter = FAILURES[reason].retryAfter): Failure {
  return { kind: "failure", reason, retryAfter };
}

/**
 * Answers the question: the core itself, or a channel to one.
 *
 * The outcome comes at once where nothing has to be awaited, and no promise is made then. It neither throws nor
 * rejects: what goes wrong is a {@link Failure}.
 */
export interface Verifier {
  verify(request: VerificationRequest, context: CallContext): Outcome | Promise<Outcome>;
}
