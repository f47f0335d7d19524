import net from "node:net";
import tls from "node:tls";
import { type CallService, harmless } from "../contract/call.js";
import { admit } from "../net/admission.js";
import { gracefulClose } from "../net/graceful-close.js";
import type { ServiceLimits } from "../net/http2/limits.js";
import { type CallEnded, createTransport } from "../net/http2/transport.js";
import { listen } from "../net/listen.js";
import { type ListenerOptions, renewTls, serverOptions, type TlsMaterial, watchHandshakes } from "../net/tls.js";
import { SERVICE_NAME, serviceDefinition } from "./definition.js";
import { addHealth, HEALTH_SERVICE_NAME, WATCH_PATH } from "./health.js";
import { OpenCalls } from "./open-calls.js";
import { addReflection, REFLECTION_PATHS } from "./reflection.js";
import { streamVerifyTokensHandler } from "./stream.js";
import { batchVerifyTokensHandler, verifyTokenHandler } from "./unary.js";

export type { ServiceLimits } from "../net/http2/limits.js";

/** What a server serves. */
export interface ServerOptions {
  readonly limits: ServiceLimits;
  /** What TokenVerifier answers with; without it there are only health and reflection (the operators' port). */
  readonly calls?: CallService;
  /** Names of realms; health has a service for each: `realm/NAME`. */
  readonly realms?: readonly string[];
  /** TLS of its ports, trusted proxies, and what observes refused connections. */
  readonly listener?: ListenerOptions;
  /** Called at the end of each call, undecodable ones and those of unknown methods included. */
  readonly ended?: CallEnded;
}

/** A gRPC server: health and reflection always, TokenVerifier if `calls` was given. */
export interface ServiceServer {
  /**
   * Opens a port; several may be opened.
   *
   * @param address `host:port` (port 0: any free one), `[v6]:port` or `unix:/path`
   * @returns the bound address, in the same form
   * @throws RangeError for an invalid address; the system's error (EADDRINUSE, EACCES …)
   */
  listen(address: string): Promise<string>;
  /** Shows this certificate to new connections, on a server that has one already. @throws OpenSSL's error */
  renewTls(material: TlsMaterial): void;
  /** Open connections. */
  connections(): number;
  /** Open calls that last until the client or the server ends them: streams of tokens, watches of health, reflection. */
  streams(): number;
  /** Sets health to SERVING (true, as at the start) or NOT_SERVING. Calls are answered either way. */
  setServing(serving: boolean): void;
  /** Sets the realms that health knows; one that is gone, or that is unserved, is NOT_SERVING. */
  setRealms(realms: readonly string[], unserved?: ReadonlySet<string>): void;
  /**
   * Closes: refuses new connections and calls, ends streams after the answers under way, lets unary calls in flight
   * finish. Cuts calls that are still open after the timeout, and idle connections a second after the last call.
   * Resolves once everything is closed; a second call waits for the first.
   *
   * @param timeout milliseconds
   * @returns the number of calls that were cut
   */
  close(timeout: number): Promise<number>;
}

/** Makes a server. It opens nothing yet. */
export function createServer({ limits, calls, realms = [], ended, listener = {} }: ServerOptions): ServiceServer {
  const openCalls = new OpenCalls();
  const { isProxy = () => false } = listener;
  const definition = serviceDefinition(limits.batch);
  const {
    server,
    injector,
    calls: underWay,
  } = createTransport({
    limits,
    methods: {
      large: new Set(Object.values(definition).map(({ path }) => path)),
      watches: new Set([WATCH_PATH]),
      conversations: new Set([definition.streamVerifyTokens.path, ...REFLECTION_PATHS]),
    },
    isProxy,
    ended,
  });
  const names = [HEALTH_SERVICE_NAME];
  if (calls !== undefined) {
    const service = { ...calls, limits, observer: harmless(calls.observer) };
    server.addService(definition, {
      verifyToken: verifyTokenHandler(service),
      batchVerifyTokens: batchVerifyTokensHandler(service),
      streamVerifyTokens: streamVerifyTokensHandler(service, openCalls, isProxy),
    });
    names.unshift(SERVICE_NAME);
  }
  const health = addHealth(server, openCalls, realms);
  addReflection(server, names, openCalls);

  const listeners: net.Server[] = [];
  const open: ReadonlySet<net.Socket>[] = [];
  let closed: Promise<number> | undefined;

  function close(timeout: number): Promise<number> {
    health.setServing(false);
    const ports = listeners.map((port) => new Promise<void>((resolve) => void port.close(() => resolve())));
    const shutDown = new Promise<void>((resolve) => {
      server.tryShutdown(() => resolve());
    });
    openCalls.endAll();
    // Not forceShutdown: it waits for the peer to end the connection too, and the peer may be gone.
    const ended = gracefulClose(timeout, underWay, () => open.flatMap((sockets) => [...sockets]));
    return Promise.all([...ports, shutDown]).then(ended);
  }

  return {
    async listen(address) {
      // Not by grpc-js itself, which hides the system's error and prints it.
      const port = createListener(listener, limits.request, (socket) => injector.injectConnection(socket));
      open.push(admit(port, { ...listener, ...limits }));
      const bound = await listen(port, address);
      listeners.push(port);
      return bound;
    },
    renewTls: (material) => {
      for (const port of listeners) if (port instanceof tls.Server) renewTls(port, material);
    },
    connections: () => open.reduce((sum, sockets) => sum + sockets.size, 0),
    streams: () => openCalls.size,
    setServing: (serving) => health.setServing(serving),
    setRealms: (names, unserved) => health.setRealms(names, unserved),
    close: (timeout) => (closed ??= close(timeout)),
  };
}

/** Makes a listener in the clear, or with TLS. @param timeout milliseconds of a TLS handshake @param take gets each connection that speaks HTTP/2 */
function createListener(
  { tls: material, refused = () => {} }: ListenerOptions,
  timeout: number,
  take: (socket: net.Socket) => void,
): net.Server {
  if (material === undefined) return net.createServer({ noDelay: true }, take);
  const server = tls.createServer({ ...serverOptions(material, "h2", timeout), noDelay: true }, (socket) => {
    // An error below HTTP/2 ends the connection, and needs no other handling.
    socket.on("error", () => {});
    if (socket.alpnProtocol === "h2") {
      take(socket);
      return;
    }
    refused({ reason: "handshake", address: socket.remoteAddress ?? "", code: "NO_ALPN" });
    socket.destroy();
  });
  watchHandshakes(server, refused);
  return server;
}
