import http from "node:http";
import type net from "node:net";
import { listen } from "../contract/listen.js";
import { createApp } from "./app.js";
import type { HandlerOptions, ServedFace } from "./handler.js";

/** What the gateway admits. */
export interface GatewayLimits {
  /** `limits.body`, bytes. */
  readonly body: number;
  /** `limits.headers`, bytes: all of a request's headers together. */
  readonly headers: number;
  /** `limits.request`, milliseconds: for a request to arrive whole, and for its answer. */
  readonly request: number;
  /** `limits.idle`, milliseconds: after which a connection without a request is closed. */
  readonly idle: number;
}

/** A gateway that serves. */
export interface Gateway {
  /**
   * Opens the port.
   *
   * @param address `host:port` (port 0: any free one), `[v6]:port` or `unix:/path`
   * @returns the bound address, in the same form
   * @throws RangeError for what is no address; the system's error (EADDRINUSE, EACCES …)
   */
  listen(address: string): Promise<string>;
  /**
   * Closes: no new connections, requests under way are answered, with `Connection: close`; what is still open after
   * the time-out is cut.
   *
   * @param timeout milliseconds
   */
  close(timeout: number): Promise<void>;
}

const MALFORMED: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/** Answers what is no HTTP request, and closes. */
function refuse(error: NodeJS.ErrnoException, socket: net.Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = MALFORMED[error.code ?? ""] ?? "400 Bad Request";
  const body = JSON.stringify({ error: status.slice(4) });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** Makes a gateway: an HTTP/1.1 server that shows the faces. It opens nothing yet. */
export function createGateway(
  faces: readonly ServedFace[],
  limits: GatewayLimits,
  options: Omit<HandlerOptions, "bodyLimit" | "requestTimeout">,
): Gateway {
  const app = createApp(faces, { ...options, bodyLimit: limits.body, requestTimeout: limits.request });
  let closing = false;
  const serve: http.RequestListener = (req, res) => {
    if (closing) res.setHeader("Connection", "close");
    app(req, res);
  };
  const server = http.createServer(
    {
      maxHeaderSize: limits.headers,
      requestTimeout: limits.request,
      headersTimeout: limits.request,
      keepAliveTimeout: limits.idle,
      connectionsCheckingInterval: Math.max(100, Math.min(1000, limits.request / 4)),
    },
    serve,
  );
  // A face asks for the body itself, if it wants it: the caller is judged first.
  server.on("checkContinue", serve);
  server.on("clientError", refuse);
  return {
    listen: (address) => listen(server, address),
    close: (timeout) =>
      new Promise((resolve) => {
        closing = true;
        const cut = setTimeout(() => server.closeAllConnections(), timeout);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
