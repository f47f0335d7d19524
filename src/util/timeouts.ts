/** The longest delay of Node's timers, in milliseconds (24.8 days); a longer one would fire at once. */
const LONGEST = 2 ** 31 - 1;

const clamp = (millis: number): number => Math.min(Math.max(0, millis), LONGEST);

/** Runs something after a delay in milliseconds. @returns cancels it */
export type After = (millis: number, run: () => void) => () => void;

/** {@link After} on Node's timers: at most 24.8 days, and without keeping the process alive. */
export const runAfter: After = (millis, run) => {
  const timer = setTimeout(run, clamp(millis)).unref();
  return () => clearTimeout(timer);
};

/** {@link After} on Node's timers, keeping the process alive. */
const keepAliveAfter: After = (millis, run) => {
  const timer = setTimeout(run, clamp(millis));
  return () => clearTimeout(timer);
};

/**
 * Waits for work, but not longer than a number of milliseconds.
 *
 * @param work may reject, which also ends the wait
 * @param millis Infinity for no limit
 * @param after default: Node's timers, which keep the process alive
 * @returns whether the work has settled
 */
export function until(work: Promise<unknown>, millis: number, after = keepAliveAfter): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = Number.isFinite(millis) ? after(millis, () => resolve(false)) : undefined;
    const settled = (): void => {
      cancel?.();
      resolve(true);
    };
    void work.then(settled, settled);
  });
}

/**
 * A timeout for something that a peer has to do, restarted whenever the peer does it.
 *
 * After this process was paused (a suspended machine, a long garbage collection), timers run before the input that arrived
 * meanwhile is read. So the callback runs one turn of the event loop later, and not at all if that input renews the timer.
 */
export class InactivityTimer {
  readonly #timer: NodeJS.Timeout;
  #expiry: NodeJS.Immediate | undefined;

  /** Starts the timer, which does not keep the process alive. @param onExpiry may renew it */
  constructor(millis: number, onExpiry: () => void) {
    this.#timer = setTimeout(() => {
      this.#expiry = setImmediate(onExpiry);
    }, millis).unref();
  }

  /** Restarts the timer. */
  renew(): void {
    clearImmediate(this.#expiry);
    this.#timer.refresh();
  }

  /** Stops the timer for good. */
  end(): void {
    clearImmediate(this.#expiry);
    clearTimeout(this.#timer);
  }
}
