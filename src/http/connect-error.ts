import { FAILURES, failureMessage, type StatusName } from "../contract/failures.js";
import type { Failure } from "../contract/verifier.js";
import { type Answer, json, retryAfter } from "../vendors/vendor.js";
import { durationToJson } from "../wire/json.js";
import { ERROR_DOMAIN, failureDetails } from "../wire/status.js";

// Errors as the Connect protocol writes them: https://connectrpc.com/docs/protocol, "Error codes" and "Error end-stream".

/** The Connect code of each gRPC status, and its HTTP status. */
const CODES: Readonly<Record<StatusName, readonly [name: string, http: number]>> = {
  CANCELLED: ["canceled", 499],
  UNKNOWN: ["unknown", 500],
  INVALID_ARGUMENT: ["invalid_argument", 400],
  DEADLINE_EXCEEDED: ["deadline_exceeded", 504],
  NOT_FOUND: ["not_found", 404],
  ALREADY_EXISTS: ["already_exists", 409],
  PERMISSION_DENIED: ["permission_denied", 403],
  RESOURCE_EXHAUSTED: ["resource_exhausted", 429],
  FAILED_PRECONDITION: ["failed_precondition", 400],
  ABORTED: ["aborted", 409],
  OUT_OF_RANGE: ["out_of_range", 400],
  UNIMPLEMENTED: ["unimplemented", 501],
  INTERNAL: ["internal", 500],
  UNAVAILABLE: ["unavailable", 503],
  DATA_LOSS: ["data_loss", 500],
  UNAUTHENTICATED: ["unauthenticated", 401],
};

/** An error of a request that did not reach the verifier, such as an unreadable body. */
export function connectError(code: StatusName, message: string): Answer {
  const [name, http] = CODES[code];
  return json(http, { code: name, message });
}

/** A refusal by an HTTP status; Connect's clients read it as `unknown`. */
export function httpRefusal(http: 405 | 415, message: string, headers: Readonly<Record<string, string>>): Answer {
  return json(http, { code: "unknown", message }, headers);
}

/** A failure, with its details of gRPC: as bytes, and in JSON under `debug` for people. */
export function connectFailure(failed: Failure): Answer {
  const [name, http] = CODES[FAILURES[failed.reason].status];
  const readable = [
    {
      reason: failed.reason,
      domain: ERROR_DOMAIN,
      ...(failed.cause !== undefined && { metadata: { cause: failed.cause } }),
    },
    { retryDelay: durationToJson(failed.retryAfter ?? 0) },
  ];
  const details = failureDetails(failed).map(({ typeUrl, value }, index) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value: value.toString("base64").replace(/=+$/, ""),
    debug: readable[index],
  }));
  return json(http, { code: name, message: failureMessage(failed), details }, retryAfter(failed));
}
