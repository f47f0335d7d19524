import { randomInt } from "node:crypto";
import type { Connection } from "../net/http2/connections.js";
import { type After, runAfter } from "../util/timeouts.js";

/**
 * The kinds of calls that last until the client or the server ends them, and when a drain ends them: a share of its delay, from
 * 0 (its start) to 1 (the ports close). Watchers of changes are the most, and the dearest to take over, so they go first. Probes
 * (health, reflection) learn of the drain itself, so they stay to the end.
 */
const KINDS = {
  changes: { from: 0, to: 0.5 },
  tokens: { from: 0.5, to: 1 },
  probes: { from: 1, to: 1 },
} as const;

/** One of the kinds of lasting calls. */
export type LastingKind = keyof typeof KINDS;

/** The longest wait that an ended client is asked for, in milliseconds, so that not all of them come back at once. */
const LONGEST_WAIT = 5000;

/** A lasting call. */
export interface LastingCall {
  readonly kind: LastingKind;
  /** Its connection; undefined if it is over. */
  readonly connection: Connection | undefined;
  /** Ends it as SHUTTING_DOWN. @param retryAfter milliseconds that its client should wait before it comes back */
  readonly end: (retryAfter: number) => void;
}

/** Calls that last until the client or the server ends them. A server that shuts down ends them, since grpc-js would wait forever. */
export class OpenCalls {
  readonly #calls = new Set<LastingCall>();
  readonly #after: After;
  #planned: (() => void)[] = [];
  #closing = false;

  /** @param after default: Node's timers */
  constructor(after: After = runAfter) {
    this.#after = after;
  }

  /** How many there are. */
  get size(): number {
    return this.#calls.size;
  }

  /** Adds an open call, and ends it at once if the server is shutting down. @returns a function that removes it */
  add(call: LastingCall): () => void {
    this.#calls.add(call);
    if (this.#closing) this.#end(call);
    return () => void this.#calls.delete(call);
  }

  /**
   * Ends the calls that are open now, one after the other, kind by kind; those that are added later last until {@link endAll}.
   *
   * @param delay milliseconds until the server closes
   */
  endOver(delay: number): void {
    for (const [kind, { from, to }] of Object.entries(KINDS)) {
      if (from === to) continue;
      const calls = [...this.#calls].filter((call) => call.kind === kind);
      for (const [place, call] of calls.entries()) {
        const share = from + ((to - from) * place) / calls.length;
        this.#planned.push(this.#after(Math.round(delay * share), () => this.#end(call)));
      }
    }
  }

  /** Ends the calls of a connection that is to close. */
  endOf(connection: Connection): void {
    for (const call of this.#calls) if (call.connection === connection) this.#end(call);
  }

  /** Ends all calls, and each one that is added later. */
  endAll(): void {
    this.#closing = true;
    for (const cancel of this.#planned) cancel();
    this.#planned = [];
    for (const call of this.#calls) this.#end(call);
  }

  #end(call: LastingCall): void {
    if (this.#calls.delete(call)) call.end(randomInt(LONGEST_WAIT + 1));
  }
}
