import http from "node:http";
import https from "node:https";
import { type Admission, admit } from "../admission.js";
import { gracefulClose } from "../graceful-close.js";
import { boundSilence } from "../inactivity-timer.js";
import { listen } from "../listen.js";
import { type ListenerOptions, renewTls, serverOptions, type TlsMaterial, watchHandshakes } from "../tls.js";
import { onClientError } from "./client-error.js";
import { Exchanges } from "./exchanges.js";
import { boundPipelines } from "./pipeline.js";

/** What an HTTP port admits. */
export interface HttpBounds extends Pick<Admission, "connections" | "perAddress"> {
  /** Bytes of a request's headers together; above: 431. */
  readonly headers: number;
  /** Milliseconds for a request to arrive whole; above: 408. A TLS handshake has as long. */
  readonly request: number;
  /** Milliseconds after which a connection on which nothing is sent or taken is closed. */
  readonly idle: number;
}

/** An HTTP/1.1 port, whatever is served at it. */
export interface HttpPort {
  /**
   * Opens the port.
   *
   * @param address `host:port` (port 0: any free one), `[v6]:port` or `unix:/path`
   * @returns the bound address, in the same form
   * @throws RangeError for what is no address; the system's error (EADDRINUSE, EACCES …)
   */
  listen(address: string): Promise<string>;
  /** New connections get this certificate from now on. Only for a port that has one already. @throws what OpenSSL says */
  renewTls(material: TlsMaterial): void;
  /** Connections that are open. */
  connections(): number;
  /** From now on each answer ends its connection, so that clients come back elsewhere; the port goes on accepting. */
  retire(): void;
  /**
   * Closes: no new connections, requests under way are answered, with `Connection: close`; what is still open after
   * the time-out is cut, and connections without a request a second after there is none.
   *
   * @param timeout milliseconds
   * @returns how many requests were cut
   */
  close(timeout: number): Promise<number>;
}

/** Makes a port. It opens nothing yet. @param serve is given each request, also one with `Expect`; must not throw */
export function createHttpPort(
  serve: http.RequestListener,
  bounds: HttpBounds,
  entrance: ListenerOptions = {},
): HttpPort {
  const exchanges = new Exchanges();
  let retiring = false;
  let closing = false;
  const take: http.RequestListener = (req, res) => {
    exchanges.add(res, () => {
      // A connection that is idle from now on would keep a closing server open.
      if (closing && exchanges.on(req.socket).length === 0) req.socket.destroySoon();
    });
    if (retiring || closing) res.setHeader("Connection", "close");
    serve(req, res);
  };
  const settings: http.ServerOptions = {
    maxHeaderSize: bounds.headers,
    requestTimeout: bounds.request,
    headersTimeout: bounds.request,
    keepAliveTimeout: bounds.idle,
    connectionsCheckingInterval: Math.max(100, Math.min(1000, bounds.request / 4)),
  };
  const { tls } = entrance;
  const secure = tls && https.createServer({ ...settings, ...serverOptions(tls, "http/1.1", bounds.request) }, take);
  if (secure !== undefined) watchHandshakes(secure, entrance.refused ?? (() => {}));
  const server = secure ?? http.createServer(settings, take);
  // Who serves asks for the body itself, if it wants it: a face judges the caller first.
  server.on("checkContinue", take);
  // An expectation that nobody here knows changes nothing.
  server.on("checkExpectation", take);
  server.on("clientError", onClientError(exchanges));
  boundPipelines(server);
  const sockets = admit(server, { ...entrance, ...bounds });
  // Also one that sends requests and takes no answers.
  boundSilence(server, bounds.idle);
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
        for (const res of exchanges.lastOfEach()) if (!res.headersSent) res.setHeader("Connection", "close");
        const ended = gracefulClose(
          timeout,
          () => exchanges.size,
          () => sockets,
        );
        server.close(() => resolve(ended()));
        server.closeIdleConnections();
      }),
  };
}
