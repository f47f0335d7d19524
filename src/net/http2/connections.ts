import { randomInt } from "node:crypto";
import { constants, type ServerHttp2Session } from "node:http2";
import type { TLSSocket } from "node:tls";
import { type WorkloadNames, workloadAt } from "../../util/workload-names.js";
import { sessionOfCall } from "../internals.js";

/** Names in the client certificate of each connection that showed one. */
const WORKLOADS = new WeakMap<object, WorkloadNames>();

/** Reads the client certificate of a new connection, once for all of its calls. */
export function rememberWorkload(session: ServerHttp2Session): void {
  const names = workloadAt(session.socket as TLSSocket);
  if (names !== undefined) WORKLOADS.set(session, names);
}

/** The names in the client certificate of a grpc-js server call's connection; undefined if it showed none. */
export function workloadOfCall(serverCall: object): WorkloadNames | undefined {
  const session = sessionOfCall(serverCall);
  return session && WORKLOADS.get(session);
}

/**
 * Draws the maximum age of a connection: 27 to 33 whole minutes, in milliseconds.
 *
 * grpc-js's `max_connection_age_ms` adds a random jitter. Node keeps a timer list per distinct duration until the duration has
 * passed, even if its timers were cleared, so each short connection would use memory for half an hour.
 */
export function randomConnectionAge(): number {
  return (27 + randomInt(7)) * 60_000;
}

/** Closes a connection after this many milliseconds: GOAWAY for new calls (RFC 9113, section 6.8); open calls finish. */
export function closeAtAge(session: ServerHttp2Session, millis: number): void {
  const timer = setTimeout(() => {
    if (session.destroyed) return;
    // The first GOAWAY still admits the calls that are on their way here.
    session.goaway(constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1);
    session.close();
  }, millis);
  timer.unref();
  session.once("close", () => clearTimeout(timer));
}

/**
 * Destroys a connection that has had no call for this many milliseconds. grpc-js's `max_connection_idle_ms` closes it
 * gracefully, and then waits without a limit for a peer that leaves a frame unfinished or does not answer.
 */
export function destroyIfIdle(session: ServerHttp2Session, millis: number): void {
  let calls = 0;
  const timer = setTimeout(() => {
    if (calls === 0) session.destroy();
  }, millis);
  timer.unref();
  session.on("stream", (stream) => {
    calls++;
    stream.once("close", () => {
      calls--;
      // refresh() restarts a cleared timer too, which would keep the closed session in memory.
      if (!session.closed && !session.destroyed) timer.refresh();
    });
  });
  session.once("close", () => clearTimeout(timer));
}
