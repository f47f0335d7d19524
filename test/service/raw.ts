import type http2 from "node:http2";

// gRPC by hand, for what no client would send.

/** A gRPC message: five bytes of frame, then these. */
export function frame(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** Opens a call. */
export function grpcRequest(
  session: http2.ClientHttp2Session,
  method: string,
  headers: http2.OutgoingHttpHeaders = {},
): http2.ClientHttp2Stream {
  const request = session.request({
    ":method": "POST",
    ":path": `/tokenverifier.v1.TokenVerifier/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  request.on("error", () => undefined);
  return request;
}

/** How a call ended: its grpc-status, or "cut" where there was none. */
export function grpcStatus(request: http2.ClientHttp2Stream): Promise<string> {
  let status = "cut";
  const take = (headers: http2.IncomingHttpHeaders): void => {
    if (headers["grpc-status"] !== undefined) status = String(headers["grpc-status"]);
  };
  request.on("response", take);
  request.on("trailers", take);
  request.resume();
  return new Promise((resolve) => request.on("close", () => resolve(status)));
}
