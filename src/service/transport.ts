import { randomInt } from "node:crypto";
import http2 from "node:http2";
import { type ConnectionInjector, Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { ServiceLimits } from "./limits.js";
import { rememberWorkload } from "./workload.js";

const MINUTE = 60_000;

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

/** Bytes that a call to health or reflection may send in all: their messages have some tens. */
const SMALL = 64 * 1024;

/** The paths of the methods that may send much: of those that send one message, and of those that send many. */
export interface LargeMethods {
  readonly unary: ReadonlySet<string>;
  readonly streaming: ReadonlySet<string>;
}

/** Is told of each call that has ended, whoever it was for: its path, and the status code that it ended with. */
export type CallEnded = (path: string, code: number) => void;

/** Makes a grpc-js server within the limits. @param large all other methods may send {@link SMALL} bytes */
export function createTransport(limits: ServiceLimits, large: LargeMethods, ended?: CallEnded): Transport {
  const server = new Server({
    "grpc.max_receive_message_length": limits.message,
    // Calls under way on one connection; a client keeps the next ones back.
    "grpc.max_concurrent_streams": 1000,
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
  let calls = 0;
  for (const http2Server of internals.http2Servers.keys()) {
    http2Server.on("session", rememberWorkload);
    // Clients come back after a while, and spread again over the processes and machines that there are by then.
    http2Server.on("session", (session) => retireAfter(session, connectionAge()));
    http2Server.on("session", (session) => cutWhereIdle(session, limits.idle + limits.request));
    http2Server.on("stream", (stream, headers) => {
      const path = headers[":path"] ?? "";
      calls++;
      stream.once("close", () => calls--);
      if (ended !== undefined) stream.once("close", () => ended(path, codeOf(stream)));
      if (large.unary.has(path)) cutWhereSlow(stream, limits.request);
      else if (!large.streaming.has(path)) cutWhereLarge(stream);
    });
  }
  return { server, injector, calls: () => calls };
}

/**
 * How old a connection gets, in milliseconds: 27 to 33 minutes, of few different lengths.
 *
 * grpc-js's own option draws any length, and Node keeps a list for each length of an unreferenced timer until it would
 * have run out, also where the timer was cleared: each connection, however short, would cost memory for half an hour.
 */
export function connectionAge(): number {
  return (27 + randomInt(7)) * MINUTE;
}

/** Ends a connection after so many milliseconds: no new calls, and those under way finish. */
export function retireAfter(session: http2.ServerHttp2Session, millis: number): void {
  const timer = setTimeout(() => {
    if (session.destroyed) return;
    // First without refusing the calls that are on their way here.
    session.goaway(http2.constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1);
    session.close();
  }, millis);
  timer.unref();
  session.once("close", () => clearTimeout(timer));
}

/**
 * Cuts a connection without a call. grpc-js ends one that is idle politely, and then waits for as long as a peer leaves a frame
 * unfinished, or says nothing of what it was told.
 */
function cutWhereIdle(session: http2.ServerHttp2Session, millis: number): void {
  let calls = 0;
  const timer = setTimeout(() => {
    if (calls === 0) session.destroy();
  }, millis);
  timer.unref();
  session.on("stream", (stream) => {
    calls++;
    stream.once("close", () => {
      calls--;
      // A timer that was cleared would run again, and hold the session meanwhile.
      if (!session.closed && !session.destroyed) timer.refresh();
    });
  });
  session.once("close", () => clearTimeout(timer));
}

/**
 * Cuts a call that is sent a byte at a time, or whose answer is not taken: either would be waited for without end. A call has
 * so long to arrive, again to be answered, and again for its answer to be read. A peer that goes on regardless, or that
 * HTTP/2 has given up for what it sent before, loses its connection.
 */
function cutWhereSlow(stream: http2.ServerHttp2Stream, millis: number): void {
  const { session } = stream;
  let rounds = 0;
  const timer = setTimeout(() => {
    rounds++;
    if (rounds > 3) {
      session?.destroy();
      return;
    }
    if (rounds === 3 || !stream.readableEnded) stream.close(http2.constants.NGHTTP2_CANCEL);
    timer.refresh();
  }, millis);
  timer.unref();
  stream.once("close", () => clearTimeout(timer));
}

/** grpc-js knows one limit for all messages, and holds those that have not come whole for as long as it takes. */
function cutWhereLarge(stream: http2.ServerHttp2Stream): void {
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > SMALL) stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
}

/** The status that a call ended with; CANCELLED where its stream was cut before there was one. */
function codeOf({ sentTrailers, sentHeaders }: http2.ServerHttp2Stream): number {
  // An answer without a body has its trailers for headers. Before any headers there are none, whatever the types say.
  const code = sentTrailers?.["grpc-status"] ?? (sentHeaders as http2.OutgoingHttpHeaders | undefined)?.["grpc-status"];
  return code === undefined ? status.CANCELLED : Number(code);
}
