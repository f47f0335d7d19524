import type http from "node:http";
import type { Socket } from "node:net";

/**
 * A time within which somebody else has to do something.
 *
 * Where this process itself stood still (a machine that was paused, a long collection of garbage), timers run before what has
 * come meanwhile is read. Whoever sent it in time is not to be blamed: the time is over only once that was read.
 */
export class InactivityTimer {
  readonly #timer: NodeJS.Timeout;
  #turn: NodeJS.Immediate | undefined;

  /** Begins it; it does not hold the process. @param over is called once it has run out, and may renew it */
  constructor(millis: number, over: () => void) {
    this.#timer = setTimeout(() => {
      this.#turn = setImmediate(over);
    }, millis).unref();
  }

  /** Begins it anew. */
  renew(): void {
    clearImmediate(this.#turn);
    this.#timer.refresh();
  }

  /** It does not matter any more. */
  end(): void {
    clearImmediate(this.#turn);
    clearTimeout(this.#timer);
  }
}

/** Closes connections on which nothing was sent or taken for so many milliseconds, whatever they wait for. */
export function boundSilence(server: http.Server, millis: number): void {
  server.timeout = millis;
  server.on("timeout", (socket: Socket) => {
    const before = socket.bytesRead;
    // As with all patience: not before what has come was read, which begins the time anew.
    setImmediate(() => {
      if (socket.bytesRead === before) socket.destroy();
    });
  });
}
