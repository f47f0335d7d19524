import { NOW } from "../../support/clock.js";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** A clock with timers that the test moves. */
export class VirtualTime {
  #now = NOW;
  #timers: Timer[] = [];

  readonly clock = (): number => this.#now;

  readonly after = (millis: number, run: () => void): (() => void) => {
    if (!(millis >= 0)) throw new Error(`a timer of ${millis} ms`);
    const timer = { at: this.#now + millis, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  };

  /** The number of running timers. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Lets time pass; every timer runs at its own time, and its effects settle before the next one runs. */
  async pass(millis: number): Promise<void> {
    const end = this.#now + millis;
    await settled();
    for (;;) {
      const next = this.#timers.reduce<Timer | undefined>(
        (first, one) => (one.at <= end && (first === undefined || one.at < first.at) ? one : first),
        undefined,
      );
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settled();
    }
    this.#now = end;
  }

  /** Sets the clock as an operator does, without effect on timers. */
  set(now: number): void {
    const moved = now - this.#now;
    this.#timers = this.#timers.map(({ at, ...timer }) => ({ ...timer, at: at + moved }));
    this.#now = now;
  }
}

/** Resolves once all pending work that needs no time is done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
