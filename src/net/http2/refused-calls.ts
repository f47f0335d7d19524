import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { status } from "@grpc/grpc-js";
import { sendStatusInTrailers } from "../internals.js";

const { NGHTTP2_ENHANCE_YOUR_CALM } = constants;

/** Refuses a call for which there is no memory. */
export function refuseForMemory(stream: ServerHttp2Stream): void {
  stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
}

/** Answers RESOURCE_EXHAUSTED to a call with too large headers. @param limit bytes of its headers, plus 32 per header */
export function refuseHeaders(stream: ServerHttp2Stream, limit: number): void {
  const headers = {
    ":status": 200,
    "content-type": "application/grpc+proto",
    "grpc-status": status.RESOURCE_EXHAUSTED,
    "grpc-message": `The call's headers have more than ${limit} bytes: send less metadata.`,
  };
  stream.respond(headers, { endStream: true });
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
