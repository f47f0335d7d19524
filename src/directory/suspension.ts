import type { Clock } from "../util/clock.js";
import { until } from "../util/timeouts.js";

/** Milliseconds between two beats. */
const BEAT = 250;
/** Milliseconds without a beat after which the process counts as suspended: stopped by a signal, or with its machine. */
const GAP = 1_000;
/** The most milliseconds that a verdict waits for the feed after that. */
const LONGEST_WAIT = 500;

/**
 * Notices that the process was suspended for more than a second. A timer notes the time, and network events that had been
 * waiting are handled before it fires again, so whoever asks compares the time with the last note: a subtraction.
 */
export class Suspension {
  readonly #clock: Clock;
  readonly #timer: NodeJS.Timeout;
  #beatAt: number;
  #ending: Promise<void> | undefined;

  /** Reads the feed to its end; set by the directory that is followed. Default: does nothing. */
  follow: () => Promise<void> = () => Promise.resolve();

  /** @param clock a wall clock, which goes on during a suspension; a step ahead of more than a second counts as one */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beatAt = clock();
    this.#timer = setInterval(() => {
      if (this.isAfterGap(clock())) void this.end();
      else this.#beatAt = clock();
    }, BEAT).unref();
  }

  /** True after a gap, until {@link end} has ended. @param now milliseconds since 1970 */
  isAfterGap(now: number): boolean {
    return now - this.#beatAt > GAP;
  }

  /** Waits for one reading of the feed, at most 500 ms; a failure is for the feed's own poll to report. Never rejects. */
  end(): Promise<void> {
    this.#ending ??= this.#end().finally(() => {
      this.#ending = undefined;
    });
    return this.#ending;
  }

  async #end(): Promise<void> {
    // A reading under way may have been answered before the suspension; the one after it was not.
    const readings = this.follow().then(
      () => this.follow(),
      () => this.follow(),
    );
    await until(readings, LONGEST_WAIT);
    this.#beatAt = this.#clock();
  }

  /** Stops the timer. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
