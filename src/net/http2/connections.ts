import { randomInt } from "node:crypto";
import type { Http2Session, ServerHttp2Session } from "node:http2";
import type { TLSSocket } from "node:tls";
import type { TimerWheel } from "../../util/timer-wheel.js";
import { type WorkloadNames, workloadAt } from "../../util/workload-names.js";
import type { ConnectionRefusal, ConnectionRefusalReason, ListenerOptions } from "../admission.js";
import { announceGoaway, sessionOfCall } from "../internals.js";
import type { CallTimeouts } from "./call-bounds.js";
import { plainAddress, type Quota, quotaClient } from "./quota.js";

/** Refused calls of a connection after which it is destroyed. */
const MAX_REFUSED = 100;

/** Calls of a connection that were reset before their status, after which it is closed if they are more than half of all. */
const MAX_RESET = 100;

/** Most milliseconds from the first GOAWAY of a connection to the last: more than a call on its way takes to arrive. */
const GOAWAY_NOTICE = 1000;

/** Called when a call has ended, whatever its method. @param code its gRPC status code */
export type OnCallEnd = (path: string, code: number) => void;

/** What the calls of a port share. */
export interface PortCalls {
  readonly timeouts: CallTimeouts;
  /** Bytes of one message, unpacked. */
  readonly message: number;
  /** Memory of calls that are incomplete, stay open, or whose answers the clients have not taken. */
  readonly memory: Quota;
  readonly timers: TimerWheel;
  readonly onCallEnd: OnCallEnd | undefined;
  /** The number of open calls. */
  open: number;
}

/** What the calls of a connection share. */
export class Connection {
  /** IP address of the peer; empty for a socket file. */
  readonly peer: string;
  /** The {@link quotaClient} of its calls. */
  readonly client: string | undefined;
  /** The names in the peer's client certificate; undefined if it showed none. */
  readonly workload: WorkloadNames | undefined;
  readonly #session: ServerHttp2Session;
  readonly #timeouts: CallTimeouts;
  readonly #onCut: (cut: ConnectionRefusal) => void;
  #idle: NodeJS.Timeout;
  #open = 0;
  #calls = 0;
  #refused = 0;
  #reset = 0;
  #isRetired = false;

  /** @param listener `isProxy`: peers that carry the calls of several clients; `refused` is called if the connection is cut */
  constructor(
    session: ServerHttp2Session,
    timeouts: CallTimeouts,
    { isProxy = () => false, refused = () => {} }: Pick<ListenerOptions, "isProxy" | "refused">,
  ) {
    this.#session = session;
    this.#timeouts = timeouts;
    this.#onCut = refused;
    this.peer = session.socket.remoteAddress ?? "";
    this.client = quotaClient(this.peer, isProxy);
    this.workload = workloadAt(session.socket as TLSSocket);
    this.#idle = setTimeout(() => this.#closeIfIdle(), timeouts.idle).unref();
    session.once("close", () => clearTimeout(this.#idle));
  }

  /** Counts a call that begins. */
  begin(): void {
    this.#open++;
    this.#calls++;
  }

  /** Counts a call that is over. @param isReset whether it was reset before it had its status, and not by this service */
  end(isReset: boolean): void {
    this.#open--;
    // refresh() restarts a cleared timer too, which would keep the closed session in memory.
    if (this.#open === 0 && !this.#session.closed && !this.#session.destroyed) this.#idle.refresh();
    if (isReset) this.#countReset();
  }

  /** Counts a refused call. A client that makes ever more of them loses its connection. */
  countRefused(): void {
    this.#refused++;
    // Deferred until nghttp2 has processed the bytes that came with this call: Node aborts the process when data arrives for a
    // call behind it that a destroyed session has not reported to JavaScript.
    if (this.#refused === MAX_REFUSED + 1) setImmediate(() => this.#destroy("refusals"));
  }

  /**
   * Makes the client open another connection for its next calls: GOAWAY (RFC 9113, section 6.8). If the connection is not
   * encrypted, a first GOAWAY admits calls that are on their way, and the last follows within a second. Over TLS there is only
   * the last, and the client sees from it which calls were not taken.
   *
   * @param onLast called after the last GOAWAY; calls that last must end then
   * @param grace milliseconds after which calls that are still open are cut; Infinity for none
   */
  retire(onLast = (): void => {}, grace = Number.POSITIVE_INFINITY): void {
    const session = this.#session;
    if (this.#isRetired || session.closed || session.destroyed) return;
    this.#isRetired = true;
    const last = (): void => {
      if (session.destroyed) return;
      session.close();
      onLast();
      if (grace === Number.POSITIVE_INFINITY) return;
      const cut = setTimeout(() => session.destroy(), grace).unref();
      session.once("close", () => clearTimeout(cut));
    };
    if (announceGoaway(session)) setTimeout(last, Math.min(GOAWAY_NOTICE, grace)).unref();
    else last();
  }

  /** Destroys the connection and all of its calls, since the client reads neither an answer nor a reset. */
  destroyUnread(): void {
    this.#destroy("unread");
  }

  #destroy(reason: ConnectionRefusalReason): void {
    if (this.#session.destroyed) return;
    this.#session.destroy();
    this.#report(reason);
  }

  #report(reason: ConnectionRefusalReason): void {
    this.#onCut({ reason, address: plainAddress(this.peer, undefined), code: "" });
  }

  /**
   * Takes no more calls of a client that resets most of what it sends: each may have cost a verification, and none counts
   * against the calls that a connection may have open.
   */
  #countReset(): void {
    this.#reset++;
    if (this.#reset <= MAX_RESET || 2 * this.#reset <= this.#calls || this.#session.closed) return;
    this.#session.close();
    this.#report("resets");
  }

  #closeIfIdle(): void {
    if (this.#open > 0 || this.#session.destroyed) return;
    this.#session.close();
    // Closing waits for a peer that leaves a frame unfinished or does not answer.
    this.#idle = setTimeout(() => {
      if (this.#open === 0) this.#session.destroy();
    }, this.#timeouts.request).unref();
  }
}

/** The open connections by their sessions. */
const CONNECTIONS = new WeakMap<Http2Session, Connection>();

/** Keeps what a session's calls share. */
export function rememberConnection(session: ServerHttp2Session, connection: Connection): void {
  CONNECTIONS.set(session, connection);
}

/** The connection of a session. @param session undefined for one that is over */
export function connectionOf(session: Http2Session | undefined): Connection | undefined {
  return session && CONNECTIONS.get(session);
}

/** The connection of a grpc-js server call; undefined if the call is over. */
export const connectionOfCall = (serverCall: object): Connection | undefined => connectionOf(sessionOfCall(serverCall));

/** The tenth parts around a connection's greatest age: 27 to 33 thirtieths, so at most 10 % more or less. */
const AGES = { of: 30, from: 27, count: 7 };

/**
 * Draws the age at which a connection is to close: the given one, 10 % more or less, in milliseconds.
 *
 * grpc-js's `max_connection_age_ms` adds a random jitter. Node keeps a timer list per distinct duration until the duration has
 * passed, even if its timers were cleared, so each short connection would use memory for half an hour. Hence seven durations.
 */
export const randomConnectionAge = (age: number): number =>
  Math.round((age * (AGES.from + randomInt(AGES.count))) / AGES.of);

/** Calls back after this many milliseconds, unless the session closes before. */
export function atAge(session: ServerHttp2Session, millis: number, retire: () => void): void {
  const timer = setTimeout(retire, millis);
  timer.unref();
  session.once("close", () => clearTimeout(timer));
}
