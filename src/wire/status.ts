import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { ErrorInfo, RetryInfo } from "../../gen/google/rpc/error_details.js";
import { Status } from "../../gen/google/rpc/status.js";
import { FAILURES, type FailureReason } from "../contract/failures.js";
import type { Failure } from "../contract/verifier.js";
import { durationFromMillis, millisFromDuration } from "./messages.js";
import { foreignFailure, laterFailure } from "./received-failure.js";

/** The `domain` of every ErrorInfo of this service. */
export const ERROR_DOMAIN = "tokenverifier.v1";

const DETAILS_KEY = "grpc-status-details-bin";
const TYPE = {
  errorInfo: "type.googleapis.com/google.rpc.ErrorInfo",
  retryInfo: "type.googleapis.com/google.rpc.RetryInfo",
};

/** A failure as a gRPC status: what a grpc-js callback takes as its error. */
export type FailureStatus = Required<Pick<ServiceError, "code" | "details" | "metadata">>;

/** A `google.protobuf.Any`, as it stands in the details of a status. */
export interface FailureDetail {
  readonly typeUrl: string;
  readonly value: Buffer;
}

/** The details of a failure: its ErrorInfo and, where trying again is of use, its RetryInfo. */
export function failureDetails({ reason, retryAfter, cause }: Failure): FailureDetail[] {
  const metadata: Record<string, string> = cause === undefined ? {} : { cause };
  const info = ErrorInfo.encode({ reason, domain: ERROR_DOMAIN, metadata }).finish();
  const details = [{ typeUrl: TYPE.errorInfo, value: Buffer.from(info) }];
  if (retryAfter !== undefined) {
    const retry = RetryInfo.encode({ retryDelay: durationFromMillis(retryAfter) }).finish();
    details.push({ typeUrl: TYPE.retryInfo, value: Buffer.from(retry) });
  }
  return details;
}

function makeStatus(failed: Failure): FailureStatus {
  const { code, message } = FAILURES[failed.reason];
  const details = failureDetails(failed);
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, Buffer.from(Status.encode({ code, message, details }).finish()));
  return { code, details: message, metadata };
}

// Failures with the catalogue's own retryAfter and no cause of their own, which almost all are: encoded once each.
const MADE = new Map<FailureReason, FailureStatus>();

/**
 * The gRPC status of a failure, with ErrorInfo and, where trying again is of use, RetryInfo in its details.
 *
 * The same object may be given for equal failures: clone its metadata before adding to it.
 */
export function failureToStatus(failed: Failure): FailureStatus {
  const isPlain = failed.cause === undefined && failed.retryAfter === FAILURES[failed.reason].retryAfter;
  if (!isPlain) return makeStatus(failed);
  let made = MADE.get(failed.reason);
  if (made === undefined) {
    made = makeStatus(failed);
    MADE.set(failed.reason, made);
  }
  return made;
}

/**
 * The failure that a call's error tells of; never throws.
 *
 * A reason that this version knows comes back as it was sent. Any other goes by the status code; what says nothing
 * of the kind (a thrown Error, garbled details) is INTERNAL.
 */
export function failureFromStatus(error: Partial<Pick<ServiceError, "code" | "metadata">>): Failure {
  const { info, retryAfter } = readDetails(error.metadata);
  const ours = info?.domain === ERROR_DOMAIN;
  if (ours && Object.hasOwn(FAILURES, info.reason)) {
    const cause = info.metadata["cause"] === "cooldown" ? { cause: "cooldown" as const } : {};
    return { kind: "failure", reason: info.reason as FailureReason, retryAfter, ...cause };
  }
  return (ours ? laterFailure : foreignFailure)(error.code, retryAfter);
}

interface Details {
  readonly info?: ErrorInfo;
  readonly retryAfter: number | undefined;
}

function readDetails(metadata: Metadata | undefined): Details {
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
