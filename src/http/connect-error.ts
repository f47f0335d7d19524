import { status } from "@grpc/grpc-js";
import { FAILURES } from "../contract/failures.js";
import type { Failure } from "../contract/verifier.js";
import { type Answer, json, retryAfter } from "../vendors/vendor.js";
import { ERROR_DOMAIN, failureDetails } from "../wire/status.js";

// Errors as the Connect protocol writes them: https://connectrpc.com/docs/protocol, "Error codes" and "Error end-stream".

/** What Connect calls a gRPC status code, and the HTTP status that goes with it. */
const CODES: Readonly<Record<Exclude<status, status.OK>, readonly [name: string, http: number]>> = {
  [status.CANCELLED]: ["canceled", 499],
  [status.UNKNOWN]: ["unknown", 500],
  [status.INVALID_ARGUMENT]: ["invalid_argument", 400],
  [status.DEADLINE_EXCEEDED]: ["deadline_exceeded", 504],
  [status.NOT_FOUND]: ["not_found", 404],
  [status.ALREADY_EXISTS]: ["already_exists", 409],
  [status.PERMISSION_DENIED]: ["permission_denied", 403],
  [status.RESOURCE_EXHAUSTED]: ["resource_exhausted", 429],
  [status.FAILED_PRECONDITION]: ["failed_precondition", 400],
  [status.ABORTED]: ["aborted", 409],
  [status.OUT_OF_RANGE]: ["out_of_range", 400],
  [status.UNIMPLEMENTED]: ["unimplemented", 501],
  [status.INTERNAL]: ["internal", 500],
  [status.UNAVAILABLE]: ["unavailable", 503],
  [status.DATA_LOSS]: ["data_loss", 500],
  [status.UNAUTHENTICATED]: ["unauthenticated", 401],
};

/** An error of a request that nobody was asked about, such as a body that cannot be read. */
export function connectError(code: Exclude<status, status.OK>, message: string): Answer {
  const [name, http] = CODES[code];
  return json(http, { code: name, message });
}

/** What is refused by HTTP's own means; Connect's clients take such a status for `unknown`. */
export function httpRefusal(http: 405 | 415, message: string, headers: Readonly<Record<string, string>>): Answer {
  return json(http, { code: "unknown", message }, headers);
}

/** A failure, with the details that it has over gRPC and, beside their bytes, the same to read for a person. */
export function connectFailure(failed: Failure): Answer {
  const { code, message } = FAILURES[failed.reason];
  // OK is no failure's code; the catalogue's type is wider than what stands in it.
  const [name, http] = CODES[code as Exclude<status, status.OK>];
  const readable = [
    {
      reason: failed.reason,
      domain: ERROR_DOMAIN,
      ...(failed.cause !== undefined && { metadata: { cause: failed.cause } }),
    },
    { retryDelay: `${(failed.retryAfter ?? 0) / 1000}s` },
  ];
  const details = failureDetails(failed).map(({ typeUrl, value }, index) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value: value.toString("base64").replace(/=+$/, ""),
    debug: readable[index],
  }));
  return json(http, { code: name, message, details }, retryAfter(failed));
}
