import type { IncomingHttpHeaders } from "node:http2";

/** How messages of a call may be compressed (gRPC's compression.md). */
export const ENCODINGS = "identity,gzip";

/** The content types of gRPC with protobuf messages; parameters are ignored. */
const CONTENT_TYPE = /^application\/grpc(?:\+proto)?[ \t]*(?:;|$)/i;

/**
 * The HTTP status of a call that is none of gRPC over HTTP/2: 405 for a method other than POST, 415 for another content
 * type, such as gRPC-Web's or JSON's. Undefined for any other call.
 */
export function foreignStatus(headers: IncomingHttpHeaders): 405 | 415 | undefined {
  if (headers[":method"] !== "POST") return 405;
  const type = headers["content-type"];
  // The first is what gRPC libraries send.
  return type === "application/grpc" || (type !== undefined && CONTENT_TYPE.test(type)) ? undefined : 415;
}

/** Milliseconds of the units of `grpc-timeout`. */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

const TIMEOUT = /^(\d{1,8})([HMSmun])$/;

/**
 * Reads the value of `grpc-timeout` (gRPC over HTTP/2: 1 to 8 digits and a unit).
 *
 * @returns milliseconds; Infinity for no value; undefined for a malformed one
 */
export function readTimeout(value: string | readonly string[] | undefined): number | undefined {
  if (value === undefined) return Infinity;
  const [, digits, unit = ""] = TIMEOUT.exec(String(value)) ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNITS[unit] as number);
}
