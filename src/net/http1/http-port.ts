import http from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import { type Admission, admit, type ListenerOptions, refuseFailedHandshakes } from "../admission.js";
import { gracefulClose } from "../graceful-close.js";
import { listen, type TransportPort } from "../port.js";
import { renewTls, serverOptions } from "../tls.js";
import { onClientError } from "./client-error.js";
import { Pipelines } from "./pipeline.js";

/** The limits of an HTTP port. */
export interface HttpBounds extends Pick<Admission, "connections" | "perAddress"> {
  /** Bytes of a request's headers in all; above: 431. */
  readonly headers: number;
  /** Milliseconds for a request to arrive completely; above: 408. Also the limit of a TLS handshake. */
  readonly request: number;
  /** Milliseconds without a byte received or sent after which a connection is closed. */
  readonly idle: number;
}

/** Options of an HTTP port, besides its limits. */
export interface HttpListenerOptions extends ListenerOptions {
  /** Called with the status (400, 408 or 431) of each answer to input that is no whole request within the limits. */
  readonly unread?: (status: number) => void;
}

/** An HTTP/1.1 port. Its `close` marks the remaining answers with `Connection: close`. */
export interface HttpPort extends TransportPort {
  /** Closes each connection after its next answer, so that clients reconnect elsewhere. New connections are still accepted. */
  retire(): void;
}

/**
 * Makes an HTTP/1.1 port; it is not open yet.
 *
 * @param serve handles each request, including those with `Expect`; must not throw
 */
export function createHttpPort(
  serve: http.RequestListener,
  bounds: HttpBounds,
  listener: HttpListenerOptions = {},
): HttpPort {
  const pipelines = new Pipelines();
  let retiring = false;
  let closing = false;
  const take = pipelines.track(
    (req, res) => {
      if (retiring || closing) res.setHeader("Connection", "close");
      serve(req, res);
    },
    ({ socket }) => {
      // An idle connection would keep a closing server open.
      if (closing && pipelines.unanswered(socket).length === 0) socket.destroySoon();
    },
  );
  const settings: http.ServerOptions = {
    maxHeaderSize: bounds.headers,
    requestTimeout: bounds.request,
    headersTimeout: bounds.request,
    keepAliveTimeout: bounds.idle,
    connectionsCheckingInterval: Math.max(100, Math.min(1000, bounds.request / 4)),
  };
  const { tls } = listener;
  const secure = tls && https.createServer({ ...settings, ...serverOptions(tls, "http/1.1", bounds.request) }, take);
  if (secure !== undefined) refuseFailedHandshakes(secure, listener.refused ?? (() => {}));
  const server = secure ?? http.createServer(settings, take);
  // A face authenticates the caller before it asks for the body with 100 Continue.
  server.on("checkContinue", take);
  // Unknown expectations are ignored (RFC 9110, section 10.1.1).
  server.on("checkExpectation", take);
  server.on("clientError", onClientError(pipelines, listener.unread ?? (() => {})));
  pipelines.limit(server);
  const sockets = admit(server, { ...listener, ...bounds });
  closeInactive(server, bounds.idle);
  return {
    listen: (address) => listen(server, address),
    renewTls: (material) => {
      if (secure !== undefined) renewTls(secure, material);
    },
    connections: () => sockets.size,
    retire: () => {
      retiring = true;
    },
    close: (timeout) =>
      new Promise((resolve) => {
        closing = true;
        for (const res of pipelines.latestUnanswered()) if (!res.headersSent) res.setHeader("Connection", "close");
        const ended = gracefulClose(
          timeout,
          () => pipelines.size,
          () => sockets,
        );
        server.close(() => resolve(ended()));
        server.closeIdleConnections();
      }),
  };
}

/** Closes connections without a byte received or sent for this long, including clients that do not read their answers. */
function closeInactive(server: http.Server, millis: number): void {
  server.timeout = millis;
  server.on("timeout", (socket: Socket) => {
    const before = socket.bytesRead;
    // After a pause of this process, input that arrived meanwhile is read first.
    setImmediate(() => {
      if (socket.bytesRead === before) socket.destroy();
    });
  });
}
