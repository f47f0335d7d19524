import { status } from "@grpc/grpc-js";
import { ErrorReason } from "../../gen/tokenverifier/v1/token_verifier.js";

type Unprefixed<Key> = Key extends `ERROR_REASON_${infer Name}` ? Name : never;

/** The names of the proto's `ErrorReason` values without their prefix: why a call failed without a verdict. */
export type FailureReason = Exclude<Unprefixed<keyof typeof ErrorReason>, "UNSPECIFIED">;

/** What the catalogue says of one failure. */
interface FailureEntry {
  /** The gRPC status code. */
  readonly code: status;
  /** What is wrong and what to do next. Constant: nothing of the request ever stands in it. */
  readonly message: string;
  /** Milliseconds to wait before another try; absent where trying again is no use. */
  readonly retryAfter?: number;
}

/** The catalogue of failures. The compiler holds it against the proto, and the faces' kinds of failures against it. */
export const FAILURES: Readonly<Record<FailureReason, FailureEntry>> = {
  REALM_UNKNOWN: {
    code: status.NOT_FOUND,
    message: "There is no realm of this name. Ask for one that is configured; names are case-sensitive.",
  },
  TOKEN_EMPTY: { code: status.INVALID_ARGUMENT, message: "The token is empty. Set `token`." },
  CREDENTIAL_REFUSED: {
    code: status.INVALID_ARGUMENT,
    message: "This realm does not take a credential of that kind. Leave it out, or send the kind that the realm takes.",
  },
  CALLER_MISSING: {
    code: status.UNAUTHENTICATED,
    message:
      "This realm answers known callers only. Set `instance_secret_key` or `client_credentials`, or connect with a certificate.",
  },
  CALLER_UNKNOWN: { code: status.UNAUTHENTICATED, message: "The caller's credential is unknown or wrong." },
  EXPLAIN_DENIED: {
    code: status.PERMISSION_DENIED,
    message: "This realm does not explain its verdicts to this caller. Leave out `explain`, or permit it in the realm.",
  },
  RATE_LIMITED: {
    code: status.RESOURCE_EXHAUSTED,
    message: "Too many failed credentials. Wait before the next try.",
    retryAfter: 60_000,
  },
  BATCH_TOO_LARGE: {
    code: status.INVALID_ARGUMENT,
    message: "The batch holds more requests than this service admits. Send smaller batches.",
  },
  TOO_MANY_CALLERS: {
    code: status.INVALID_ARGUMENT,
    message: "The batch holds more distinct callers than this service admits. Send a batch per caller.",
  },
  ID_TOO_LONG: { code: status.INVALID_ARGUMENT, message: "The message's id is longer than 128 bytes." },
  TOO_MANY_STREAMS: {
    code: status.RESOURCE_EXHAUSTED,
    message: "This server has as many streams open as it admits. Share streams, or try another server.",
    retryAfter: 1_000,
  },
  KEYS_UNAVAILABLE: {
    code: status.UNAVAILABLE,
    message: "The realm's keys cannot be had at the moment. Try again.",
    retryAfter: 1_000,
  },
  DIRECTORY_UNAVAILABLE: {
    code: status.UNAVAILABLE,
    message: "The directory cannot be read at the moment. Try again.",
    retryAfter: 1_000,
  },
  NO_VERDICT: {
    code: status.UNAVAILABLE,
    message: "What the verdict rests on changed while it was sought. Try again.",
    retryAfter: 1_000,
  },
  TIMED_OUT: {
    code: status.DEADLINE_EXCEEDED,
    message:
      "No verdict was reached in time. See that the service can be reached and is not overloaded, and try again.",
    retryAfter: 1_000,
  },
  SHUTTING_DOWN: {
    code: status.UNAVAILABLE,
    message: "This server is shutting down. Connect again.",
    retryAfter: 1_000,
  },
  VERIFIER_UNAVAILABLE: {
    code: status.UNAVAILABLE,
    message: "The verifier cannot be reached. See that it runs and listens where it is looked for, and try again.",
    retryAfter: 1_000,
  },
  INTERNAL: {
    code: status.INTERNAL,
    message: "An internal fault. The service's log has it under this call's request id.",
  },
  CALLER_DENIED: {
    code: status.PERMISSION_DENIED,
    message: "This realm does not answer this caller. Connect with a certificate of a name that the realm lists.",
  },
  TOO_MANY_KEYS: {
    code: status.FAILED_PRECONDITION,
    message:
      "None of the first keys fits the token, and there are more of its algorithm than one token is tried against. Let the issuer put a `kid` into its tokens.",
    retryAfter: 60_000,
  },
};

/** All failures, in the order of the proto. */
export const FAILURE_REASONS = Object.keys(FAILURES) as readonly FailureReason[];

/** The number of a failure in the proto. */
export function failureNumber(reason: FailureReason): ErrorReason {
  return ErrorReason[`ERROR_REASON_${reason}`];
}

const BY_NUMBER: ReadonlyMap<number, FailureReason> = new Map(
  FAILURE_REASONS.map((reason) => [failureNumber(reason), reason]),
);

/** The failure of a number; undefined for one that this version does not know. */
export function failureReason(number: number): FailureReason | undefined {
  return BY_NUMBER.get(number);
}
