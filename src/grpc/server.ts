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
  /** Names of realms, for which health has a service each: `realm/NAME`. */
  readonly realms?: readonly string[];
  /** What stands before its ports: TLS, and who is told of connections that are refused. */
  readonly entrance?: ListenerOptions;
  /** Is told of each call that has ended, undecodable ones and those of unknown methods too. */
  readonly ended?: CallEnded;
}

/** A gRPC server: health and reflection always, TokenVerifier where it was given. */
export interface ServiceServer {
  /**
   * Opens a port; several may be opened.
   *
   * @param address `host:port` (port 0: any free one), `[v6]:port` or `unix:/path`
   * @returns the bound address, in the same form
   * @throws RangeError for what is no address; the system's error (EADDRINUSE, EACCES …)
   */
  listen(address: string): Promise<string>;
  /** New connections get this certificate from now on. Only for a server that has one already. @throws what OpenSSL says */
  renewTls(material: TlsMaterial): void;
  /** Connections that are open. */
  connections(): number;
  /** Calls open that stay so until somebody ends them: streams of tokens, watches of health, reflection. */
  streams(): number;
  /** What health says: SERVING (true, as at the start) or NOT_SERVING. Calls are answered either way. */
  setServing(serving: boolean): void;
  /** Health speaks of these realms from now on; one that is gone, or that is unserved, is NOT_SERVING. */
  setRealms(realms: readonly string[], unserved?: ReadonlySet<string>): void;
  /**
   * Closes: no new connections and calls; streams end after the answers under way; unary calls in flight finish. What
   * is still open after the time-out is cut, and connections without a call a second after there is none. Resolves once
   * everything is closed; a second call waits for the first.
   *
   * @param timeout milliseconds
   * @returns how many calls were cut
   */
  close(timeout: number): Promise<number>;
}

/** Makes a server. It opens nothing yet. */
export function createServer({ limits, calls, realms = [], ended, entrance = {} }: ServerOptions): ServiceServer {
  const openCalls = new OpenCalls();
  const { isProxy = () => false } = entrance;
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
    const ports = listeners.map((listener) => new Promise<void>((resolve) => void listener.close(() => resolve())));
    const shutDown = new Promise<void>((resolve) => {
      server.tryShutdown(() => resolve());
    });
    openCalls.endAll();
    // Not forceShutdown: it ends connections politely, and waits for a peer that may be gone to do the same.
    const ended = gracefulClose(timeout, underWay, () => open.flatMap((sockets) => [...sockets]));
    return Promise.all([...ports, shutDown]).then(ended);
  }

  return {
    async listen(address) {
      // grpc-js is handed the connections and listens at nothing itself: it hides the system's error and prints it.
      const listener = createListener(entrance, limits.request, (socket) => injector.injectConnection(socket));
      open.push(admit(listener, { ...entrance, ...limits }));
      const bound = await listen(listener, address);
      listeners.push(listener);
      return bound;
    },
    renewTls: (material) => {
      for (const listener of listeners) if (listener instanceof tls.Server) renewTls(listener, material);
    },
    connections: () => open.reduce((sum, sockets) => sum + sockets.size, 0),
    streams: () => openCalls.size,
    setServing: (serving) => health.setServing(serving),
    setRealms: (names, unserved) => health.setRealms(names, unserved),
    close: (timeout) => (closed ??= close(timeout)),
  };
}

/** Listens in the clear, or with TLS. @param take gets each connection that speaks HTTP/2 */
function createListener(
  { tls: material, refused = () => {} }: ListenerOptions,
  patience: number,
  take: (socket: net.Socket) => void,
): net.Server {
  if (material === undefined) return net.createServer({ noDelay: true }, take);
  const server = tls.createServer({ ...serverOptions(material, "h2", patience), noDelay: true }, (socket) => {
    // What goes wrong below HTTP/2 ends the connection, which is all that there is to do.
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
