/** The canonical names of the gRPC status codes of errors (google.rpc.Code without OK). */
export type StatusName =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/** An entry of the catalogue. */
interface FailureEntry {
  /** The status of a call that fails so. */
  readonly status: StatusName;
  /** What is wrong and what to do next: a constant that contains nothing of the request. */
  readonly message: string;
  /** Milliseconds to wait before a retry; absent if a retry does not help. */
  readonly retryAfter?: number;
}

/** Why a call has no verdict. In the order of the proto's `ErrorReason`; src/wire checks both against each other. */
const CATALOGUE = {
  REALM_UNKNOWN: {
    status: "NOT_FOUND",
    message: "There is no realm of this name. Ask for one that is configured; names are case-sensitive.",
  },
  TOKEN_EMPTY: { status: "INVALID_ARGUMENT", message: "The token is empty. Set `token`." },
  CREDENTIAL_REFUSED: {
    status: "INVALID_ARGUMENT",
    message:
      "This realm does not accept this kind of credential. Leave it out, or send the kind that the realm accepts.",
  },
  CALLER_MISSING: {
    status: "UNAUTHENTICATED",
    message:
      "This realm answers only known callers. Set `instance_secret_key` or `client_credentials`, or connect with a certificate.",
  },
  CALLER_UNKNOWN: { status: "UNAUTHENTICATED", message: "The caller's credential is unknown or wrong." },
  EXPLAIN_DENIED: {
    status: "PERMISSION_DENIED",
    message: "This realm does not explain its verdicts to this caller. Leave out `explain`, or allow it in the realm.",
  },
  RATE_LIMITED: {
    status: "RESOURCE_EXHAUSTED",
    message: "Too many wrong credentials. Wait before you retry.",
    retryAfter: 60_000,
  },
  BATCH_TOO_LARGE: {
    status: "INVALID_ARGUMENT",
    message: "The batch has more requests than this service allows. Send smaller batches.",
  },
  TOO_MANY_CALLERS: {
    status: "INVALID_ARGUMENT",
    message: "The batch has more distinct callers than this service allows. Send one batch per caller.",
  },
  ID_TOO_LONG: { status: "INVALID_ARGUMENT", message: "The message's id is longer than 128 bytes." },
  TOO_MANY_STREAMS: {
    status: "RESOURCE_EXHAUSTED",
    message: "This server has as many open streams as it allows. Share streams, or use another server.",
    retryAfter: 1_000,
  },
  KEYS_UNAVAILABLE: {
    status: "UNAVAILABLE",
    message: "The realm's keys are unavailable at the moment. Retry.",
    retryAfter: 1_000,
  },
  DIRECTORY_UNAVAILABLE: {
    status: "UNAVAILABLE",
    message: "The directory is unavailable at the moment. Retry.",
    retryAfter: 1_000,
  },
  NO_VERDICT: {
    status: "UNAVAILABLE",
    message: "Keys or directory entries kept changing during the call. Retry.",
    retryAfter: 1_000,
  },
  TIMED_OUT: {
    status: "DEADLINE_EXCEEDED",
    message: "There was no verdict in time. Check that the service can be reached and is not overloaded, and retry.",
    retryAfter: 1_000,
  },
  SHUTTING_DOWN: {
    status: "UNAVAILABLE",
    message: "This server is shutting down. Connect again.",
    retryAfter: 1_000,
  },
  VERIFIER_UNAVAILABLE: {
    status: "UNAVAILABLE",
    message: "The verifier cannot be reached. Check that it runs and listens at the configured address, and retry.",
    retryAfter: 1_000,
  },
  INTERNAL: {
    status: "INTERNAL",
    message: "Internal error. The service's log has the details under this call's request id.",
  },
  CALLER_DENIED: {
    status: "PERMISSION_DENIED",
    message: "This realm does not answer this caller. Connect with a certificate that has a name listed in the realm.",
  },
  TOO_MANY_KEYS: {
    status: "FAILED_PRECONDITION",
    message:
      "The token has no `kid`, and the realm has more keys than the service tries for one token. The issuer has to set `kid`.",
    retryAfter: 60_000,
  },
  KEY_REFUSED: {
    status: "FAILED_PRECONDITION",
    message: "The service cannot use the key that the issuer publishes for this token. The issuer has to correct it.",
  },
  TOO_MANY_PROOFS: {
    status: "UNAVAILABLE",
    message: "The service remembers as many DPoP proofs as it can at the moment. Retry.",
    retryAfter: 1_000,
  },
  WATCH_DENIED: {
    status: "PERMISSION_DENIED",
    message:
      "This realm cannot be watched by this caller. Set `watch: callers` in the realm; of a realm that routes by issuer, watch those that it leads to.",
  },
  TOO_MANY_WATCHES: {
    status: "RESOURCE_EXHAUSTED",
    message: "This server, or this connection, has as many watches as it allows. Use another connection or server.",
    retryAfter: 5_000,
  },
  WATCH_NOT_OPENED: {
    status: "INVALID_ARGUMENT",
    message: "A watch begins with one message `open`. Send it first, and once.",
  },
} as const satisfies Record<string, FailureEntry>;

/** Why a call has no verdict: the names of the proto's `ErrorReason`, without their prefix. */
export type FailureReason = keyof typeof CATALOGUE;

/** The catalogue of failures. */
export const FAILURES: Readonly<Record<FailureReason, FailureEntry>> = CATALOGUE;

/** All failures, in the order of the proto. */
export const FAILURE_REASONS = Object.keys(FAILURES) as readonly FailureReason[];

/**
 * What callers and operators tell apart within one reason.
 *
 * `cooldown`, of KEYS_UNAVAILABLE: the realm's keys are fresh, none of them is the token's, and the issuer will be asked
 * again only after a pause. Any token with an invented `kid` causes it, so it is no sign of trouble.
 *
 * The others, of KEY_REFUSED, say why the service cannot use the token's key. `malformed`: it cannot be read.
 * `contradictory`: its members contradict each other. `unsupported`: no algorithm here takes it. `set aside`: by its own
 * words it is for something else.
 */
export const FAILURE_CAUSES = ["cooldown", "malformed", "contradictory", "unsupported", "set aside"] as const;

/** One of {@link FAILURE_CAUSES}. */
export type FailureCause = (typeof FAILURE_CAUSES)[number];

/** What a person reads about a failure: the message of its reason, and the cause if a key was refused. */
export function failureMessage(failed: { readonly reason: FailureReason; readonly cause?: FailureCause }): string {
  const { message } = FAILURES[failed.reason];
  return failed.reason === "KEY_REFUSED" && failed.cause !== undefined ? `${message} Cause: ${failed.cause}.` : message;
}
