import http2 from "node:http2";
import { type ConnectionInjector, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { boundCall, type Methods } from "./call-bounds.js";
import { isCompressed, refuseCompression, withoutCompression } from "./compression.js";
import { connectionAge, cutWhereIdle, MINUTE, retireAfter, sharerOf } from "./connections.js";
import { heldBytes, MAX_REFUSED, OPEN_CALL, SESSION_MEGABYTES, type ServiceLimits } from "./limits.js";
import { Quota } from "./quota.js";
import { rememberWorkload } from "./workload.js";

/** A grpc-js server that listens at nothing: connections are put into it. */
export interface Transport {
  readonly server: Server;
  readonly injector: ConnectionInjector;
  /** Calls of every service that are under way. */
  readonly calls: () => number;
}

/** What grpc-js has no option for, and how it calls it. */
interface Internals {
  readonly commonServerOptions: http2.ServerOptions;
  readonly http2Servers: ReadonlyMap<http2.Http2Server, unknown>;
}

/** Is told of each call that has ended, whoever it was for: its path, and the status code that it ended with. */
export type CallEnded = (path: string, code: number) => void;

/** What a transport is made for. */
export interface TransportOptions {
  readonly limits: ServiceLimits;
  readonly methods: Methods;
  /** Peers that bring the calls of others: they have no share of their own. */
  readonly isProxy: (address: string) => boolean;
  readonly ended?: CallEnded | undefined;
}

/** Makes a grpc-js server within the limits. */
export function createTransport({ limits, methods, isProxy, ended }: TransportOptions): Transport {
  const server = new Server({
    "grpc.max_receive_message_length": limits.message,
    // Calls under way on one connection; a client keeps the next ones back.
    "grpc.max_concurrent_streams": 1000,
    // Above it nghttp2 refuses new calls; grpc-js would set no bound.
    "grpc-node.max_session_memory": SESSION_MEGABYTES,
    "grpc.max_connection_idle_ms": limits.idle,
    // Finds out that a peer is gone without a word. (Pings of a peer that floods us are cut off by nghttp2.)
    "grpc.keepalive_time_ms": MINUTE,
    "grpc.keepalive_timeout_ms": MINUTE / 3,
    // Debugging counters that nothing here serves, at several microseconds a call.
    "grpc.enable_channelz": 0,
  });
  const internals = server as unknown as Internals;
  internals.commonServerOptions.settings = {
    ...internals.commonServerOptions.settings,
    maxHeaderListSize: limits.headers,
  };
  // TLS is done with before a connection is put in.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const shares = new Quota(heldBytes(limits.message), heldBytes(limits.message) / 4);
  const sharers = new WeakMap<object, string | undefined>();
  let calls = 0;
  for (const http2Server of internals.http2Servers.keys()) {
    http2Server.on("session", rememberWorkload);
    // Clients come back after a while, and spread again over the processes and machines that there are by then.
    http2Server.on("session", (session) => retireAfter(session, connectionAge()));
    http2Server.on("session", (session) => cutWhereIdle(session, limits.idle + limits.request));
    http2Server.on("session", (session) => {
      sharers.set(session, sharerOf(session.socket.remoteAddress ?? "", isProxy));
    });
    // grpc-js is handed the calls that are let in.
    const takers = http2Server.listeners("stream") as ((...call: [http2.ServerHttp2Stream, Headers]) => void)[];
    http2Server.removeAllListeners("stream");
    http2Server.on("stream", (stream, headers) => {
      const path = headers[":path"] ?? "";
      const hold = shares.holder(sharers.get(stream.session ?? stream));
      const held = OPEN_CALL + sizeOf(headers);
      let unbound = (): void => {};
      calls++;
      // One listener for all: each call has this one.
      stream.once("close", () => {
        calls--;
        hold(0);
        unbound();
        ended?.(path, codeOf(stream));
      });
      if (!hold(held)) {
        refuse(stream);
        return;
      }
      if (isCompressed(headers)) refuseCompression(stream);
      else for (const take of takers) take.call(http2Server, withoutCompression(stream), headers);
      unbound = boundCall(stream, path, methods, limits, hold, held);
    });
  }
  return { server, injector, calls: () => calls };
}

/** Refused calls of each connection. */
const REFUSED = new WeakMap<object, number>();

/** Refuses a call for which there is no room. Who goes on regardless loses the connection. */
function refuse(stream: http2.ServerHttp2Stream): void {
  const { session } = stream;
  stream.on("error", () => {});
  stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
  if (session === undefined) return;
  const count = (REFUSED.get(session) ?? 0) + 1;
  REFUSED.set(session, count);
  // Not while nghttp2 is at the bytes that came with this call: Node would end the process at the data of a call behind it,
  // of which a destroyed session has not told JavaScript.
  if (count === MAX_REFUSED + 1) setImmediate(() => session.destroy());
}

type Headers = http2.IncomingHttpHeaders;

function sizeOf(headers: Headers): number {
  let bytes = 0;
  for (const name in headers) bytes += name.length + String(headers[name]).length;
  return bytes;
}

/** The status that a call ended with; CANCELLED where its stream was cut before there was one. */
function codeOf({ sentTrailers, sentHeaders }: http2.ServerHttp2Stream): number {
  // An answer without a body has its trailers for headers. Before any headers there are none, whatever the types say.
  const code = sentTrailers?.["grpc-status"] ?? (sentHeaders as http2.OutgoingHttpHeaders | undefined)?.["grpc-status"];
  return code === undefined ? status.CANCELLED : Number(code);
}
