import http from "node:http";
import https from "node:https";
import type { Duplex } from "node:stream";
import { acceptRequestId } from "../contract/request-id.js";
import { admit } from "../net/admission.js";
import { listen } from "../net/listen.js";
import { boundSilence } from "../net/patience.js";
import { boundPipelines } from "../net/pipeline.js";
import { type Entrance, renewTls, serverOptions, type TlsMaterial, watchHandshakes } from "../net/tls.js";
import { createApp } from "./app.js";
import { type HandlerOptions, harmless, type ServedFace } from "./handler.js";
import type { ServedRpc } from "./rpc.js";

/** What the gateway admits. */
export interface GatewayLimits {
  /** `limits.body`, bytes. */
  readonly body: number;
  /** `limits.headers`, bytes: all of a request's headers together. */
  readonly headers: number;
  /** `limits.request`, milliseconds: for a request to arrive whole, and for its answer. */
  readonly request: number;
  /** `limits.connections`: open at the port; a further one is closed at once. */
  readonly connections: number;
  /** `limits.perAddress`: those of one peer's address; a further one is closed at once (default: no limit). */
  readonly perAddress?: number;
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
  /** New connections get this certificate from now on. Only for a gateway that has one already. @throws what OpenSSL says */
  renewTls(material: TlsMaterial): void;
  /** Connections that are open. */
  connections(): number;
  /** From now on these are shown, and nothing else; requests under way are answered by what they came to. */
  show(faces: readonly ServedFace[], rpc?: ServedRpc): void;
  /** From now on each answer ends its connection, so that clients come back elsewhere; the port goes on accepting. */
  retire(): void;
  /**
   * Closes: no new connections, requests under way are answered, with `Connection: close`; what is still open after
   * the time-out is cut.
   *
   * @param timeout milliseconds
   * @returns how many requests were cut
   */
  close(timeout: number): Promise<number>;
}

/** How Node calls a request that did not come in time. */
const LATE = "ERR_HTTP_REQUEST_TIMEOUT";

const MALFORMED: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  [LATE]: "408 Request Timeout",
};

/** How long a client may go on sending what is no HTTP request, after it was told so: milliseconds. */
const LINGER = 1000;

/** The whole answer to what is no HTTP request. */
function refusal(code: string | undefined): string {
  const status = MALFORMED[code ?? ""] ?? "400 Bad Request";
  const body = JSON.stringify({ error: status.slice(4) });
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": body.length,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Request-Id": acceptRequestId(undefined),
    Connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status}\r\n${lines.join("")}\r\n${body}`;
}

/** Nothing is shown of the contract. */
const NO_RPC: ServedRpc = { realms: [], cors: undefined };

/** Makes a gateway: an HTTP/1.1 server that shows the faces, and the contract itself. It opens nothing yet. */
export function createGateway(
  faces: readonly ServedFace[],
  limits: GatewayLimits,
  options: Omit<HandlerOptions, "bodyLimit" | "requestTimeout">,
  rpc = NO_RPC,
  entrance: Entrance = {},
): Gateway {
  const appOf = (faces: readonly ServedFace[], rpc: ServedRpc) =>
    createApp(faces, rpc, {
      ...options,
      observer: harmless(options.observer),
      bodyLimit: limits.body,
      requestTimeout: limits.request,
    });
  let app = appOf(faces, rpc);
  let retiring = false;
  let closing = false;
  /** The answers that are not written yet, in the order of their requests. */
  const underWay = new Set<http.ServerResponse>();
  const answersOn = (socket: Duplex) => [...underWay].filter(({ req }) => req.socket === socket);
  const latest = new WeakMap<Duplex, http.ServerResponse>();
  const serve: http.RequestListener = (req, res) => {
    underWay.add(res);
    latest.set(req.socket, res);
    res.once("close", () => {
      underWay.delete(res);
      // A connection that is idle from now on would keep a closing server open.
      if (closing && answersOn(req.socket).length === 0) req.socket.destroySoon();
    });
    if (retiring || closing) res.setHeader("Connection", "close");
    app(req, res);
  };
  const refused = new WeakSet<Duplex>();
  /** Answers what is no HTTP request, after the whole requests that came before it on the connection, and closes. */
  const refuse = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    if (refused.has(socket)) return;
    if (error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    const before = answersOn(socket).findLast(({ req }) => req.complete);
    if (before !== undefined) {
      before.once("close", () => refuse(error, socket));
      return;
    }
    refused.add(socket);
    // What is malformed, or late, may be the rest of a request that has its answer.
    const last = latest.get(socket);
    const isAnswered = last?.req.complete === false && last.headersSent;
    socket.end(isAnswered ? undefined : refusal(error.code));
    const cut = setTimeout(() => socket.destroy(), LINGER);
    socket.once("close", () => clearTimeout(cut));
  };
  const settings: http.ServerOptions = {
    maxHeaderSize: limits.headers,
    requestTimeout: limits.request,
    headersTimeout: limits.request,
    keepAliveTimeout: limits.idle,
    connectionsCheckingInterval: Math.max(100, Math.min(1000, limits.request / 4)),
  };
  const { tls } = entrance;
  const secure = tls && https.createServer({ ...settings, ...serverOptions(tls, "http/1.1", limits.request) }, serve);
  if (secure !== undefined) watchHandshakes(secure, entrance.refused ?? (() => {}));
  const server = secure ?? http.createServer(settings, serve);
  // A face asks for the body itself, if it wants it: the caller is judged first.
  server.on("checkContinue", serve);
  // An expectation that nobody here knows changes nothing.
  server.on("checkExpectation", serve);
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== LATE) {
      refuse(error, socket);
      return;
    }
    const before = latest.get(socket);
    const wasWhole = before?.req.complete;
    // Where this process stood still, the rest may have come in time: it is read first.
    setImmediate(() => {
      const last = latest.get(socket);
      if (last?.req.complete !== true || (last === before && wasWhole)) refuse(error, socket);
    });
  });
  boundPipelines(server);
  const sockets = admit(server, { ...entrance, ...limits });
  // Also one that sends requests and takes no answers.
  boundSilence(server, limits.idle);
  return {
    listen: (address) => listen(server, address),
    renewTls: (material) => {
      if (secure !== undefined) renewTls(secure, material);
    },
    connections: () => sockets.size,
    show: (faces, rpc = NO_RPC) => {
      app = appOf(faces, rpc);
    },
    retire: () => {
      retiring = true;
    },
    close: (timeout) =>
      new Promise((resolve) => {
        closing = true;
        const last = new Map([...underWay].map((res) => [res.req.socket, res]));
        for (const res of last.values()) if (!res.headersSent) res.setHeader("Connection", "close");
        let lost = 0;
        const cut = setTimeout(() => {
          lost = underWay.size;
          for (const socket of sockets) socket.destroy();
        }, timeout);
        server.close(() => {
          clearTimeout(cut);
          resolve(lost);
        });
        server.closeIdleConnections();
      }),
  };
}
