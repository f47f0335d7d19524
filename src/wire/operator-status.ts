import type { ServiceError } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import { ErrorReason } from "../../gen/tokenverifier/admin/v1/types.js";
import { OPERATOR_FAILURES, OperatorError, type OperatorFailure } from "../contract/operator-failures.js";
import { statusNumber } from "./catalogue.js";
import { errorDetails, type FailureStatus, readDetails, statusWithDetails } from "./status.js";

/** The `domain` of the ErrorInfo of operators' calls. */
const OPERATOR_ERROR_DOMAIN = "tokenverifier.admin.v1";

/** The number of a failure in the admin proto. The compiler finds one that it lacks. */
export const operatorFailureNumber = (reason: OperatorFailure): ErrorReason => ErrorReason[`ERROR_REASON_${reason}`];

/** The gRPC status of an operator's error, with an ErrorInfo and, if a retry helps, a RetryInfo. */
export function operatorErrorToStatus({ reason, message, retryAfter }: OperatorError): FailureStatus {
  const code = statusNumber(OPERATOR_FAILURES[reason].status);
  return statusWithDetails(
    code,
    message,
    errorDetails({ reason, domain: OPERATOR_ERROR_DOMAIN, metadata: {} }, retryAfter),
  );
}

/**
 * The operator's error that the status of a call describes; undefined for a status that does not come from the operators'
 * services: the transport's, or another server's.
 */
export function operatorErrorFromStatus(error: Partial<ServiceError>): OperatorError | undefined {
  const { info, retryAfter } = readDetails(error.metadata);
  if (info?.domain !== OPERATOR_ERROR_DOMAIN) return undefined;
  const reason = Object.hasOwn(OPERATOR_FAILURES, info.reason) ? (info.reason as OperatorFailure) : laterReason(error);
  return new OperatorError(reason, error.details ?? "", retryAfter);
}

/** What a reason of a later version means here, by its status. */
function laterReason({ code }: Partial<ServiceError>): OperatorFailure {
  switch (code) {
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
      return "STORE_UNAVAILABLE";
    case status.NOT_FOUND:
      return "NOT_FOUND";
    case status.INVALID_ARGUMENT:
      return "REQUEST_INVALID";
    case status.INTERNAL:
      return "INTERNAL";
    default:
      return "CONFLICT";
  }
}
