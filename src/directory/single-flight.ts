import type { Clock } from "../util/clock.js";
import { until } from "../util/timeouts.js";
import { DirectoryError } from "./errors.js";

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
    const wait = deadline - this.#clock();
    if (wait <= 0) throw tooLate();
    const loading = this.#inFlight.get(key) ?? this.#start(key, load);
    if (!(await until(loading, wait))) throw tooLate();
    await loading;
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
}

function tooLate(): DirectoryError {
  return new DirectoryError("unavailable", "The directory did not answer in time. Try again.");
}
