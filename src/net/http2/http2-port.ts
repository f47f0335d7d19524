import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { TimerWheel } from "../../util/timer-wheel.js";
import { type Admission, admit, type ListenerOptions, refuseFailedHandshakes } from "../admission.js";
import { gracefulClose } from "../graceful-close.js";
import { addResponseHeaders, http2ServersOf, setHeaderLimits, takeListeners } from "../internals.js";
import { listen, type TransportPort } from "../port.js";
import { renewTls, serverOptions } from "../tls.js";
import { boundCall, type CallTimeouts, type MethodKinds, refuseCompressed, refuseHeaders } from "./call-bounds.js";
import {
  atAge,
  Connection,
  connectionOf,
  type OnCallEnd,
  type PortCalls,
  randomConnectionAge,
  rememberConnection,
} from "./connections.js";
import { CANCELLED, DirectCall, type DirectMethod, OPEN_CALL } from "./direct-call.js";
import { Quota } from "./quota.js";

/** The limits of an HTTP/2 port. `request` is also the limit of a TLS handshake. */
export interface Http2Limits extends CallTimeouts, Pick<Admission, "connections" | "perAddress"> {
  /** Bytes of one message from a client; above: RESOURCE_EXHAUSTED. */
  readonly message: number;
  /** Milliseconds after which a connection is retired, 10 % more or less. */
  readonly connectionAge: number;
  /** Bytes of a call's headers in all, plus 32 per header, at most 128 KiB; above, or above 256 headers: RESOURCE_EXHAUSTED. */
  readonly headers: number;
}

/** What a port serves, and how. */
export interface Http2PortOptions {
  readonly limits: Http2Limits;
  readonly methods: MethodKinds;
  /** Unary methods that are answered without grpc-js, by path. */
  readonly direct?: ReadonlyMap<string, DirectMethod> | undefined;
  readonly listener: ListenerOptions;
  readonly onCallEnd?: OnCallEnd | undefined;
  /** Milliseconds that calls have to finish on a connection that has reached its age (default: all that they need). */
  readonly grace?: number | undefined;
  /** Called for a connection that has reached its age; its calls that last must end now. */
  readonly onAge?: ((connection: Connection) => void) | undefined;
}

/** gRPC over HTTP/2 at one address or several; TransportPort.listen may be called more than once. */
export interface Http2Port extends TransportPort {
  /** Retires the connections that are open: their clients open others for their next calls. New connections are still accepted. */
  retire(): void;
  /** The grpc-js server, for services to be added. It listens at nothing itself: the port gives it connections. */
  readonly services: Server;
}

/** Open calls per connection; a client queues the others. */
export const MAX_CALLS = 1000;

/** Headers of a call, `:path` and the like included; above: the call is reset. */
const MAX_FIELDS = 256;

const MINUTE = 60_000;
const MB = 1024 ** 2;

/** Makes a gRPC port; it is not open yet. */
export function createHttp2Port(options: Http2PortOptions): Http2Port {
  const { limits, listener } = options;
  const services = new Server({
    "grpc.max_receive_message_length": limits.message,
    "grpc.max_concurrent_streams": MAX_CALLS,
    // Mebibytes of a connection's HTTP/2 state, above which nghttp2 refuses new calls; grpc-js has no limit by default.
    "grpc-node.max_session_memory": 64,
    // Detects dead peers. (nghttp2 closes the connections of peers that send too many pings.)
    "grpc.keepalive_time_ms": MINUTE,
    "grpc.keepalive_timeout_ms": MINUTE / 3,
    // Its debugging counters take several microseconds per call.
    "grpc.enable_channelz": 0,
  });
  setHeaderLimits(services, limits.headers, MAX_FIELDS);
  // The listeners below handle TLS.
  const injector = services.createConnectionInjector(ServerCredentials.createInsecure());
  const calls = serveCalls(http2ServersOf(services), options);
  const listeners: net.Server[] = [];
  const open: ReadonlySet<net.Socket>[] = [];
  return {
    services,
    async listen(address) {
      // grpc-js would hide the system's error and print it.
      const server = createListener(listener, limits.request, (socket) => injector.injectConnection(socket));
      open.push(admit(server, { ...listener, ...limits }));
      const bound = await listen(server, address);
      listeners.push(server);
      return bound;
    },
    renewTls: (material) => {
      for (const server of listeners) if (server instanceof tls.Server) renewTls(server, material);
    },
    connections: () => open.reduce((sum, sockets) => sum + sockets.size, 0),
    retire() {
      for (const connection of calls.connections) connection.retire();
    },
    close(timeout) {
      const closed = listeners.map((server) => new Promise<void>((resolve) => void server.close(() => resolve())));
      closed.push(new Promise((resolve) => services.tryShutdown(() => resolve())));
      // Instead of forceShutdown, which waits for peers that may be dead to close their side.
      const ended = gracefulClose(timeout, calls.count, () => open.flatMap((sockets) => [...sockets]));
      return Promise.all(closed).then(ended);
    },
  };
}

/** Listens in plaintext or with TLS. @param take gets each connection that speaks HTTP/2 */
function createListener(
  { tls: material, refused = () => {} }: ListenerOptions,
  handshakeTimeout: number,
  take: (socket: net.Socket) => void,
): net.Server {
  if (material === undefined) return net.createServer({ noDelay: true }, take);
  const server = tls.createServer({ ...serverOptions(material, "h2", handshakeTimeout), noDelay: true }, (socket) => {
    // An error below HTTP/2 closes the connection; nothing else is left to do.
    socket.on("error", () => {});
    if (socket.alpnProtocol === "h2") {
      take(socket);
      return;
    }
    refused({ reason: "handshake", address: socket.remoteAddress ?? "", code: "NO_ALPN" });
    socket.destroy();
  });
  refuseFailedHandshakes(server, refused);
  return server;
}

/** Limits connections and calls, and gives the calls to who answers them. @returns the number of open calls, and the connections */
function serveCalls(
  servers: readonly http2.Http2Server[],
  { limits, methods, direct = new Map(), listener, onCallEnd, grace, onAge = () => {} }: Http2PortOptions,
): { readonly count: () => number; readonly connections: ReadonlySet<Connection> } {
  const connections = new Set<Connection>();
  const calls: PortCalls = {
    timeouts: limits,
    message: limits.message,
    memory: new Quota(callMemory(limits.message), callMemory(limits.message) / 4),
    timers: new TimerWheel(),
    onCallEnd,
    open: 0,
  };
  for (const server of servers) {
    server.on("session", (session) => {
      const connection = new Connection(session, limits, listener);
      rememberConnection(session, connection);
      connections.add(connection);
      session.once("close", () => connections.delete(connection));
      // Clients reconnect, and so spread over the processes and machines that have been added meanwhile.
      atAge(session, randomConnectionAge(limits.connectionAge), () =>
        connection.retire(() => onAge(connection), grace),
      );
    });
    const handlers = takeListeners(server, "stream");
    server.on("stream", (stream, headers, _flags, raw: readonly string[]) => {
      stream.on("error", ignoreError);
      const connection = connectionOf(stream.session);
      // The connection is over, and the call with it.
      if (connection === undefined) return;
      const path = headers[":path"] ?? "";
      const size = sizeOf(raw);
      const method = size > limits.headers ? undefined : direct.get(path);
      if (method !== undefined) {
        DirectCall.start(calls, connection, path, method, stream, headers, size);
        return;
      }
      const reserve = calls.memory.open(connection.client);
      const own = OPEN_CALL + size;
      let unbound = (): void => {};
      calls.open++;
      connection.begin();
      stream.once("close", () => {
        const code = statusOf(stream);
        calls.open--;
        connection.end(code === CANCELLED && stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR);
        reserve(0);
        unbound();
        onCallEnd?.(path, code);
      });
      if (!reserve(own)) {
        stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
        connection.countRefused();
        return;
      }
      // Node itself resets such a call, but only once the client has acknowledged the setting.
      if (size > limits.headers) {
        refuseHeaders(stream, limits.headers);
        connection.countRefused();
      } else {
        // grpc-js would announce gzip and deflate.
        addResponseHeaders(stream, ACCEPT_ENCODING);
        if (headers["grpc-encoding"] !== undefined) refuseCompressed(stream, headers);
        for (const handle of handlers) handle.call(server, stream, headers);
      }
      unbound = boundCall(stream, path, methods, limits, reserve, own);
    });
  }
  return { count: () => calls.open, connections };
}

/** What goes wrong with a stream closes it, and nothing else is left to do. */
function ignoreError(): void {}

/** Bytes of memory for calls that are incomplete or stay open; above: reset. One client address may use a quarter. */
const callMemory = (message: number): number => Math.max(256 * MB, 16 * message);

const ACCEPT_ENCODING = { "grpc-accept-encoding": "identity" };

/** Bytes of a call's headers as RFC 9113, section 6.5.2 counts them: 32 more for each. @param raw names and values in turn */
function sizeOf(raw: readonly string[]): number {
  let bytes = 16 * raw.length;
  for (const text of raw) bytes += text.length;
  return bytes;
}

/** The status that a call ended with: CANCELLED if its stream was reset before. */
function statusOf({ sentTrailers, sentHeaders }: http2.ServerHttp2Stream): number {
  // An answer without a body has its status in the headers.
  const code = sentTrailers?.["grpc-status"] ?? sentHeaders?.["grpc-status"];
  return code === undefined ? CANCELLED : Number(code);
}
