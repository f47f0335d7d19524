import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { ErrorInfo, RetryInfo } from "../../gen/google/rpc/error_details.js";
import { Status } from "../../gen/google/rpc/status.js";
import {
  FAILURE_CAUSES,
  FAILURES,
  type FailureCause,
  type FailureReason,
  failureMessage,
  type StatusName,
} from "../contract/failures.js";
import type { Failure } from "../contract/verifier.js";
import { statusNumber } from "./catalogue.js";
import { durationFromMillis, millisFromDuration } from "./protobuf.js";

/** The `domain` of the service's ErrorInfo. */
export const ERROR_DOMAIN = "tokenverifier.v1";

const DETAILS_KEY = "grpc-status-details-bin";
const TYPE = {
  errorInfo: "type.googleapis.com/google.rpc.ErrorInfo",
  retryInfo: "type.googleapis.com/google.rpc.RetryInfo",
};

/** A failure as a gRPC status: what a grpc-js callback takes as its error. */
export type FailureStatus = Required<Pick<ServiceError, "code" | "details" | "metadata">>;

/** A failure's status as the fields of an HTTP/2 header block (gRPC over HTTP/2), encoded. */
export interface StatusFields {
  readonly "grpc-status": string;
  readonly "grpc-message": string;
  readonly "grpc-status-details-bin": string;
}

/** A `google.protobuf.Any` in the details of a status. */
export interface FailureDetail {
  readonly typeUrl: string;
  readonly value: Buffer;
}

/** The details of a failure: an ErrorInfo and, if a retry helps, a RetryInfo. */
export function failureDetails({ reason, retryAfter, cause }: Failure): FailureDetail[] {
  return errorDetails({ reason, domain: ERROR_DOMAIN, metadata: cause === undefined ? {} : { cause } }, retryAfter);
}

/** The same for any domain. @param retryAfter milliseconds */
export function errorDetails(error: ErrorInfo, retryAfter: number | undefined): FailureDetail[] {
  const info = ErrorInfo.encode(error).finish();
  const details = [{ typeUrl: TYPE.errorInfo, value: Buffer.from(info) }];
  if (retryAfter !== undefined) {
    const retry = RetryInfo.encode({ retryDelay: durationFromMillis(retryAfter) }).finish();
    details.push({ typeUrl: TYPE.retryInfo, value: Buffer.from(retry) });
  }
  return details;
}

/** A status in both of its forms. */
interface EncodedStatus {
  readonly status: FailureStatus;
  readonly fields: StatusFields;
}

/** A gRPC status with details. */
export function statusWithDetails(code: number, message: string, details: FailureDetail[]): FailureStatus {
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, Buffer.from(Status.encode({ code, message, details }).finish()));
  return { code, details: message, metadata };
}

function encodeStatus(failed: Failure): EncodedStatus {
  const message = failureMessage(failed);
  const code = statusNumber(FAILURES[failed.reason].status);
  const status = statusWithDetails(code, message, failureDetails(failed));
  const [details] = status.metadata.get(DETAILS_KEY) as [Buffer];
  return {
    status,
    fields: {
      "grpc-status": String(code),
      "grpc-message": encodeURI(message),
      [DETAILS_KEY]: details.toString("base64"),
    },
  };
}

/** Statuses of failures with the catalogue's retryAfter, as most are: encoded once for each reason and cause. */
const ENCODED = new Map<string, EncodedStatus>();

function encodedStatus(failed: Failure): EncodedStatus {
  const { reason, cause, retryAfter } = failed;
  if (retryAfter !== FAILURES[reason].retryAfter) return encodeStatus(failed);
  const name = cause === undefined ? reason : `${reason} ${cause}`;
  let encoded = ENCODED.get(name);
  if (encoded === undefined) {
    encoded = encodeStatus(failed);
    ENCODED.set(name, encoded);
  }
  return encoded;
}

/**
 * The gRPC status of a failure, with its {@link failureDetails}.
 *
 * Equal failures may share one object: clone its metadata before you add to it.
 */
export const failureToStatus = (failed: Failure): FailureStatus => encodedStatus(failed).status;

/** The same as header fields, for calls that are answered without grpc-js. Equal failures may share one object. */
export const failureToFields = (failed: Failure): StatusFields => encodedStatus(failed).fields;

/**
 * The failure that the error of a call describes. Never throws.
 *
 * A known reason comes back as it was sent, without a cause that this version does not know. Otherwise the status code
 * decides; an error without a usable code (a thrown Error, for example) is INTERNAL.
 */
export function failureFromStatus(error: Partial<Pick<ServiceError, "code" | "metadata">>): Failure {
  const { info, retryAfter } = readDetails(error.metadata);
  const ours = info?.domain === ERROR_DOMAIN;
  if (ours && Object.hasOwn(FAILURES, info.reason)) {
    const cause = FAILURE_CAUSES.find((one): one is FailureCause => one === info.metadata["cause"]);
    return { kind: "failure", reason: info.reason as FailureReason, retryAfter, ...(cause !== undefined && { cause }) };
  }
  return (ours ? laterFailure : foreignFailure)(error.code, retryAfter);
}

/** Whether a call's metadata says more than its status, as every failure of the service does. */
export const hasDetails = (metadata: Metadata | undefined): boolean => metadata?.get(DETAILS_KEY).length === 1;

/** What the details of a status say; members of other types are left out. */
export interface Details {
  readonly info?: ErrorInfo;
  /** Milliseconds. */
  readonly retryAfter: number | undefined;
}

/** Reads the details of a call's status. Never throws. */
export function readDetails(metadata: Metadata | undefined): Details {
  const [bytes] = metadata?.get(DETAILS_KEY) ?? [];
  if (!Buffer.isBuffer(bytes)) return { retryAfter: undefined };
  try {
    const { details } = Status.decode(bytes);
    const detail = (type: string) => details.find(({ typeUrl }) => typeUrl === type)?.value;
    const info = detail(TYPE.errorInfo);
    const retry = detail(TYPE.retryInfo);
    const delay = retry && RetryInfo.decode(retry).retryDelay;
    return { ...(info && { info: ErrorInfo.decode(info) }), retryAfter: delay && millisFromDuration(delay) };
  } catch {
    return { retryAfter: undefined };
  }
}

type ByStatus = Partial<Record<StatusName, FailureReason>>;

/** The meaning of a status without a reason of ours: it comes from the transport, a proxy or the caller's own deadline. */
const FOREIGN: ByStatus = {
  DEADLINE_EXCEEDED: "TIMED_OUT",
  UNAVAILABLE: "VERIFIER_UNAVAILABLE",
  CANCELLED: "VERIFIER_UNAVAILABLE",
  ABORTED: "VERIFIER_UNAVAILABLE",
  RESOURCE_EXHAUSTED: "VERIFIER_UNAVAILABLE",
  UNKNOWN: "VERIFIER_UNAVAILABLE",
};

/** The meaning of a status with a reason of a later version: it comes from the service, so it describes the call. */
const LATER: ByStatus = {
  ...FOREIGN,
  NOT_FOUND: "REALM_UNKNOWN",
  INVALID_ARGUMENT: "CREDENTIAL_REFUSED",
  UNAUTHENTICATED: "CALLER_UNKNOWN",
  PERMISSION_DENIED: "EXPLAIN_DENIED",
  RESOURCE_EXHAUSTED: "RATE_LIMITED",
};

function reader(byStatus: ByStatus): (code: number | undefined, retryAfter: number | undefined) => Failure {
  const byCode = new Map(
    Object.entries(byStatus).map(([name, reason]) => [statusNumber(name as StatusName) as number, reason]),
  );
  return (code, retryAfter) => {
    const reason = byCode.get(code ?? -1) ?? "INTERNAL";
    return { kind: "failure", reason, retryAfter: retryAfter ?? FAILURES[reason].retryAfter };
  };
}

/**
 * The failure of a call, or of an item of a batch, whose reason this version does not know.
 *
 * @param code the gRPC status code; any that no failure has is INTERNAL
 * @param retryAfter milliseconds, as sent (default: the catalogue's)
 */
export const laterFailure = reader(LATER);

/** The failure of a call without a reason of ours. The parameters are those of {@link laterFailure}. */
const foreignFailure = reader(FOREIGN);
