import type { Clock } from "../util/clock.js";
import { DirectoryError } from "./errors.js";

/** The longest time, in milliseconds, that `setTimeout` accepts. */
const MAX_TIMER = 2 ** 31 - 1;

/** Loads in flight, at most one for each key and never more than a maximum. */
export class SingleFlight {
  readonly #inFlight = new Map<string, Promise<void>>();
  readonly #clock: Clock;
  readonly #max: number;

  /** @param max the most loads in flight */
  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  /**
   * Joins the load with this key, or starts it.
   *
   * @param deadline milliseconds since 1970, Infinity for none; the load goes on for other callers after it
   * @throws DirectoryError `unavailable` at the deadline or above the maximum; whatever the load rejects with
   */
  async run(key: string, deadline: number, load: () => Promise<void>): Promise<void> {
    if (this.#clock() >= deadline) throw tooLate();
    await this.#until(deadline, this.#inFlight.get(key) ?? this.#start(key, load));
  }

  #start(key: string, load: () => Promise<void>): Promise<void> {
    if (this.#inFlight.size >= this.#max) {
      throw new DirectoryError(
        "unavailable",
        `${this.#max} loads from the directory are in flight already. Try again.`,
      );
    }
    const loading = load().finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, loading);
    loading.catch(() => {}); // every caller may have given up before it fails
    return loading;
  }

  async #until(deadline: number, loading: Promise<void>): Promise<void> {
    if (deadline === Number.POSITIVE_INFINITY) return loading;
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(tooLate()), Math.min(deadline - this.#clock(), MAX_TIMER));
    });
    try {
      await Promise.race([loading, expired]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function tooLate(): DirectoryError {
  return new DirectoryError("unavailable", "The directory did not answer in time. Try again.");
}
