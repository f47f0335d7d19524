import type { Clock } from "../util/clock.js";
import { DirectoryError } from "./errors.js";

/** The longest time, in milliseconds, that `setTimeout` takes. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Loads under way: who wants the same thing shares one, and there are never more than so many. */
export class Loads {
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #clock: Clock;
  readonly #max: number;

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  /**
   * Joins the load of this name, or starts it.
   *
   * @param deadline milliseconds since 1970; who waits that long gives up, the load goes on for the others
   * @throws DirectoryError `unavailable` at the deadline or where too many are under way; what the load rejects with
   */
  async run(name: string, deadline: number, load: () => Promise<void>): Promise<void> {
    if (this.#clock() >= deadline) throw tooLate();
    await this.#until(deadline, this.#underWay.get(name) ?? this.#start(name, load));
  }

  #start(name: string, load: () => Promise<void>): Promise<void> {
    if (this.#underWay.size >= this.#max) {
      throw new DirectoryError(
        "unavailable",
        `${this.#max} loads from the directory are under way already. Try again.`,
      );
    }
    const loading = load().finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, loading);
    loading.catch(() => {}); // nobody may be left to hear it
    return loading;
  }

  async #until(deadline: number, loading: Promise<void>): Promise<void> {
    if (deadline === Number.POSITIVE_INFINITY) return loading;
    const { promise, reject } = withRejector();
    const timer = setTimeout(() => reject(tooLate()), Math.min(deadline - this.#clock(), LONGEST_TIMER));
    try {
      await Promise.race([loading, promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function withRejector(): { promise: Promise<never>; reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<never>((_, rejectPromise) => {
    reject = rejectPromise;
  });
  return { promise, reject };
}

function tooLate(): DirectoryError {
  return new DirectoryError("unavailable", "The directory did not answer in time. Try again.");
}
