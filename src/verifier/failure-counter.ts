import { LRUCache } from "lru-cache";
import type { Clock } from "../util/clock.js";
import { until } from "../util/timeouts.js";

/** A number of failures within a window. */
export interface Rate {
  readonly count: number;
  /** Milliseconds. */
  readonly window: number;
}

/** Most names remembered; beyond it, the least recently used are forgotten. */
export const MAX_NAMES = 100_000;

/** The failures of one name since the first of them. */
interface FailureWindow {
  count: number;
  readonly end: number;
  /** Time of the latest failure. */
  last: number;
}

/** The calls of one name whose outcome is unknown. */
interface PendingCalls {
  /** Calls that the core is deciding, each counted as if it were to fail. */
  open: number;
  /** Wakes calls that wait to be asked, in the order in which they came. */
  readonly waiting: Set<() => void>;
}

/**
 * Counts the failures of names, in a window that starts with the first failure. A pending call counts as if it were to fail,
 * so no more guesses are answered than the rate allows, however many come at once.
 */
export class FailureCounter {
  readonly #rate: Rate;
  /** Bounded by `maxSize`, since lru-cache allocates the room for `max` entries at once. */
  readonly #windows = new LRUCache<string, FailureWindow>({ maxSize: MAX_NAMES, sizeCalculation: () => 1 });
  /** No more entries than there are calls. */
  readonly #pending = new Map<string, PendingCalls>();
  /** Time of the latest failure of any name. */
  #last = Number.NEGATIVE_INFINITY;

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Whether no name is active as {@link isActive} says. */
  isIdle(clock: Clock, millis: number): boolean {
    if (this.#pending.size > 0) return false;
    return this.#last === Number.NEGATIVE_INFINITY || clock() >= this.#last + millis;
  }

  /** Whether a call is pending, or a failure was counted within the last `millis`. */
  isActive(name: string, now: number, millis: number): boolean {
    if (this.#pending.has(name)) return true;
    const window = this.#windows.get(name);
    return window !== undefined && now < window.last + millis;
  }

  /** Milliseconds for which a name is locked out; 0 if it is not. */
  lockedFor(name: string, now: number): number {
    const window = this.#windows.get(name);
    return window !== undefined && window.count >= this.#rate.count ? Math.max(0, window.end - now) : 0;
  }

  /** Whether a further call may be asked: if it and all open ones failed, they would not exceed the rate. */
  hasRoom(name: string, now: number): boolean {
    const window = this.#windows.get(name);
    const failed = window === undefined || now >= window.end ? 0 : window.count;
    return failed + (this.#pending.get(name)?.open ?? 0) < this.#rate.count;
  }

  /** Locks a name out until a time, because of failures that other processes counted. */
  lockOut(name: string, end: number, now: number): void {
    this.#last = now;
    this.#windows.set(name, { count: this.#rate.count, end, last: now });
    this.wake(name, now);
  }

  /** Counts a failure. */
  count(name: string, now: number): void {
    this.#last = now;
    const window = this.#windows.get(name);
    if (window === undefined || now >= window.end) {
      this.#windows.set(name, { count: 1, end: now + this.#rate.window, last: now });
    } else {
      window.count++;
      window.last = now;
    }
  }

  /** Starts a call that the core decides; {@link end} must follow. */
  start(name: string): void {
    this.#of(name).open++;
  }

  /** Ends a call, after its failure, if it was one, was counted. */
  end(name: string, now: number): void {
    this.#of(name).open--;
    this.wake(name, now);
    this.#tidy(name);
  }

  /** Waits until {@link wake} wakes this call, but not longer than `millis`. Returns whether it was woken. */
  async wait(name: string, millis: number): Promise<boolean> {
    const { waiting } = this.#of(name);
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    waiting.add(wake);
    await until(woken, millis);
    const isWoken = !waiting.delete(wake);
    this.#tidy(name);
    return isWoken;
  }

  /**
   * Wakes the first waiting call if it can be answered: because there is room for it, or because the name is locked out.
   * A call that was woken must call this in turn, after it took the room or found that it needs none.
   */
  wake(name: string, now: number): void {
    const waiting = this.#pending.get(name)?.waiting;
    const [first] = waiting ?? [];
    if (first === undefined || !(this.hasRoom(name, now) || this.lockedFor(name, now) > 0)) return;
    waiting?.delete(first);
    first();
  }

  #tidy(name: string): void {
    const pending = this.#pending.get(name);
    if (pending?.open === 0 && pending.waiting.size === 0) this.#pending.delete(name);
  }

  #of(name: string): PendingCalls {
    let pending = this.#pending.get(name);
    if (pending === undefined) {
      pending = { open: 0, waiting: new Set() };
      this.#pending.set(name, pending);
    }
    return pending;
  }
}
