import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { status } from "@grpc/grpc-js";
import { sendStatusInTrailers } from "../internals.js";

const { NGHTTP2_ENHANCE_YOUR_CALM } = constants;

/** Refused calls of a connection after which it is destroyed. */
const MAX_REFUSED = 100;

/** The number of refused calls of each connection. */
const REFUSED = new WeakMap<object, number>();

/** Refuses a call for which there is no memory. A client that makes ever more calls loses its connection. */
export function refuseForMemory(stream: ServerHttp2Stream): void {
  stream.on("error", () => {});
  stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
  countRefused(stream);
}

/** Answers RESOURCE_EXHAUSTED to a call with too large headers. @param limit bytes of its headers, plus 32 per header */
export function refuseHeaders(stream: ServerHttp2Stream, limit: number): void {
  stream.on("error", () => {});
  const headers = {
    ":status": 200,
    "content-type": "application/grpc+proto",
    "grpc-status": status.RESOURCE_EXHAUSTED,
    "grpc-message": `The call's headers have more than ${limit} bytes: send less metadata.`,
  };
  stream.respond(headers, { endStream: true });
  countRefused(stream);
}

/** An encoding that grpc-js does not have, in words that its message quotes. */
const NOT_TAKEN = "other than identity; send messages uncompressed";

/**
 * Makes a call with a `grpc-encoding` UNIMPLEMENTED once it sends a message flagged as compressed (gRPC's compression.md): tokens
 * hardly shrink, and a small message may decompress to megabytes. Call it before grpc-js gets the call.
 *
 * @param headers of the call; changed for grpc-js
 */
export function refuseCompressed(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  // grpc-js goes by each message's flag, and would decompress gzip and deflate.
  headers["grpc-encoding"] = NOT_TAKEN;
  // A grpc-js client ignores grpc-accept-encoding beside a status; from headers of their own it learns not to compress.
  sendStatusInTrailers(stream);
}

function countRefused({ session }: ServerHttp2Stream): void {
  if (session === undefined) return;
  const count = (REFUSED.get(session) ?? 0) + 1;
  REFUSED.set(session, count);
  // Deferred until nghttp2 has processed the bytes that came with this call: Node aborts the process when data arrives for a
  // call behind it that a destroyed session has not reported to JavaScript.
  if (count === MAX_REFUSED + 1) setImmediate(() => session.destroy());
}
