import { NOW } from "../../support/clock.js";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Time that passes when it is told to, and the timers in it. */
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

  /** How many timers run. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Lets time pass; every timer runs at its own time, and what it sets off is over before the next. */
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

  /** Sets the clock, as an operator does: no timer minds. */
  set(now: number): void {
    const moved = now - this.#now;
    this.#timers = this.#timers.map(({ at, ...timer }) => ({ ...timer, at: at + moved }));
    this.#now = now;
  }
}

/** Resolves once everything that could go on without time has. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
