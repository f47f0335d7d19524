import type http2 from "node:http2";
import { status } from "@grpc/grpc-js";

const ENCODING = "grpc-encoding";
const ACCEPTED = { "grpc-accept-encoding": "identity" };
const REFUSED = {
  ":status": 200,
  "content-type": "application/grpc+proto",
  "grpc-status": status.UNIMPLEMENTED,
  "grpc-message": "Messages are not taken compressed: send them with grpc-encoding identity.",
  ...ACCEPTED,
};

/** True for a call whose messages may be compressed. */
export function isCompressed({ [ENCODING]: encoding = "identity" }: http2.IncomingHttpHeaders): boolean {
  return encoding !== "identity";
}

/** Answers UNIMPLEMENTED, as gRPC's compression.md wants it: tokens hardly shrink, and what is small may unpack to megabytes. */
export function refuseCompression(stream: http2.ServerHttp2Stream): void {
  stream.on("error", () => {});
  stream.respond(REFUSED, { endStream: true });
}

/** The same call; grpc-js, which would say that it takes gzip and deflate, says in its answer what is taken. */
export function withoutCompression(stream: http2.ServerHttp2Stream): http2.ServerHttp2Stream {
  const respond = stream.respond.bind(stream);
  stream.respond = (headers, options) => respond({ ...(headers as http2.OutgoingHttpHeaders), ...ACCEPTED }, options);
  return stream;
}
