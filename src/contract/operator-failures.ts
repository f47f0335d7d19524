import type { StatusName } from "./failures.js";

/** An entry of the catalogue. */
interface OperatorFailureEntry {
  /** The status of a call that fails so. */
  readonly status: StatusName;
  /** What is wrong and what to do next, where the call itself has nothing better to say. */
  readonly message: string;
  /** Milliseconds to wait before a retry; absent if a retry does not help. */
  readonly retryAfter?: number;
}

/** Why an operator's call failed. In the order of the admin proto's `ErrorReason`. */
const CATALOGUE = {
  OPERATOR_MISSING: {
    status: "UNAUTHENTICATED",
    message: "This port answers only known operators. Send `authorization: Bearer KEY`, or connect with a certificate.",
  },
  OPERATOR_UNKNOWN: {
    status: "UNAUTHENTICATED",
    message: "The key in `authorization` is unknown. Send one of `admin.keys`, as `Bearer KEY`.",
  },
  ROLE_TOO_LOW: { status: "PERMISSION_DENIED", message: "This operator's role does not allow this." },
  RATE_LIMITED: {
    status: "RESOURCE_EXHAUSTED",
    message: "Too many unknown keys from this address. Wait before you retry.",
    retryAfter: 60_000,
  },
  REQUEST_INVALID: { status: "INVALID_ARGUMENT", message: "The request is malformed." },
  REQUEST_ID_REUSED: {
    status: "INVALID_ARGUMENT",
    message: "This request_id was used for another request. Draw a new UUID for each request that is not a repetition.",
  },
  PAGE_TOKEN_INVALID: {
    status: "INVALID_ARGUMENT",
    message: "The page_token belongs to another store, method or filter. Begin again without one.",
  },
  NOT_FOUND: { status: "NOT_FOUND", message: "There is no such entry. Check the id." },
  ENTRY_EXISTS: {
    status: "ALREADY_EXISTS",
    message: "The entry exists. Send its etag, or set overwrite.",
  },
  ENTRY_CHANGED: {
    status: "ABORTED",
    message: "The entry was changed or deleted since. Get it, decide again, and send the new etag.",
  },
  SECRET_TAKEN: {
    status: "FAILED_PRECONDITION",
    message: "A secret key belongs to another instance. Give each instance keys of its own.",
  },
  LAST_SECRET: {
    status: "FAILED_PRECONDITION",
    message: "No other secret key of the instance stays. Rotate first, then retire.",
  },
  CONFLICT: { status: "FAILED_PRECONDITION", message: "The change contradicts what the store holds." },
  REVOCATIONS_FULL: {
    status: "FAILED_PRECONDITION",
    message:
      "The store holds as many revocations as `revocations.max` allows. Raise it, or revoke by a wider selector.",
  },
  STORE_UNUSABLE: {
    status: "FAILED_PRECONDITION",
    message: "The service has no store that it can use. Its log says why.",
  },
  STORE_UNAVAILABLE: {
    status: "UNAVAILABLE",
    message: "The store cannot be reached at the moment. Send the same request, with the same request_id, again.",
    retryAfter: 1_000,
  },
  INTERNAL: {
    status: "INTERNAL",
    message: "Internal error. The service's log has the details under this call's x-request-id.",
  },
} as const satisfies Record<string, OperatorFailureEntry>;

/** Why an operator's call failed: the names of the admin proto's `ErrorReason`, without their prefix. */
export type OperatorFailure = keyof typeof CATALOGUE;

/** The catalogue of operators' failures. */
export const OPERATOR_FAILURES: Readonly<Record<OperatorFailure, OperatorFailureEntry>> = CATALOGUE;

/** All of them, in the order of the proto. */
export const OPERATOR_FAILURE_REASONS = Object.keys(CATALOGUE) as readonly OperatorFailure[];

/** Why an operator's call failed, with a message for the operator. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";

  /**
   * @param message what is wrong and what to do next; default: the catalogue's. Never a secret, a path or SQL
   * @param retryAfter milliseconds; default: the catalogue's
   */
  constructor(
    readonly reason: OperatorFailure,
    message: string = OPERATOR_FAILURES[reason].message,
    readonly retryAfter: number | undefined = OPERATOR_FAILURES[reason].retryAfter,
  ) {
    super(message);
  }
}
