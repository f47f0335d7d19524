import { LRUCache } from "lru-cache";

/** So many failures within so long. */
export interface Rate {
  readonly count: number;
  /** Milliseconds. */
  readonly window: number;
}

/** How many names are remembered; of more, those that were used longest ago are forgotten. */
const REMEMBERED = 100_000;

/** A memory of names, which takes no room for those that it may once remember: lru-cache's `max` would, at once. */
export function memoryOfNames<T extends object | true>(): LRUCache<string, T> {
  return new LRUCache<string, T>({ maxSize: REMEMBERED, sizeCalculation: () => 1 });
}

/** The longest time that a timer bears, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The failures of one name. */
interface Window {
  count: number;
  readonly end: number;
  /** When the last of them was. */
  last: number;
}

/** Somebody who waits for a place. */
interface Waiting {
  /** Milliseconds to wait before another try; 0 where the place is taken. */
  readonly settle: (wait: number) => void;
  isGone: boolean;
  next: Waiting | undefined;
}

/** The tries of one name that are under way, and who waits for them. */
interface Line {
  taken: number;
  first: Waiting | undefined;
  last: Waiting | undefined;
}

/**
 * Counts failures by name, each within a window that starts with its first. A try whose outcome is not known yet takes a
 * place of those that may still fail; whoever comes when none is left waits until an outcome gives one back or shuts the
 * name out, first come, first served.
 */
export class Failures {
  readonly #rate: Rate;
  readonly #windows = memoryOfNames<Window>();
  /** Names with a try under way alone: as many as there are calls, at the most. */
  readonly #lines = new Map<string, Line>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Whether a try is under way, or the last failure, of this window or one before, is no longer ago than so many milliseconds. */
  any(name: string, now: number, within: number): boolean {
    if (this.#lines.has(name)) return true;
    const window = this.#windows.get(name);
    return window !== undefined && now < window.last + within;
  }

  /** Milliseconds until this name may try again; 0 where it may, if perhaps not before the tries that are under way. */
  wait(name: string, now: number): number {
    const window = this.#windows.get(name);
    return window !== undefined && window.count >= this.#rate.count ? Math.max(0, window.end - now) : 0;
  }

  /** Counts a failure. */
  add(name: string, now: number): void {
    const window = this.#windows.get(name);
    if (window === undefined || now >= window.end) {
      this.#windows.set(name, { count: 1, end: now + this.#rate.window, last: now });
    } else {
      window.count++;
      window.last = now;
    }
  }

  /** Whether a place is left: were all tries under way to fail, there would be one failure less than shuts the name out. */
  hasPlace(name: string, now: number): boolean {
    const window = this.#windows.get(name);
    const failed = window === undefined || now >= window.end ? 0 : window.count;
    return failed + (this.#lines.get(name)?.taken ?? 0) < this.#rate.count;
  }

  /** Takes a place, until {@link leave}. */
  take(name: string): void {
    const line = this.#lines.get(name);
    if (line === undefined) this.#lines.set(name, { taken: 1, first: undefined, last: undefined });
    else line.taken++;
  }

  /** Gives a place back, once the failure, if it was one, is counted. */
  leave(name: string, now: number): void {
    const line = this.#lines.get(name);
    if (line === undefined) return;
    line.taken--;
    for (let waiting = line.first; waiting !== undefined; waiting = line.first) {
      const wait = this.wait(name, now);
      if (!waiting.isGone) {
        if (wait === 0 && !this.hasPlace(name, now)) return;
        if (wait === 0) line.taken++;
        waiting.settle(wait);
      }
      line.first = waiting.next;
    }
    if (line.taken === 0) this.#lines.delete(name);
  }

  /**
   * Takes a place as soon as there is one.
   *
   * @param patience milliseconds
   * @returns 0 once it is taken, milliseconds to wait where the name is shut out, undefined where patience ran out
   */
  async turn(name: string, now: number, patience: number): Promise<number | undefined> {
    const wait = this.wait(name, now);
    if (wait > 0) return wait;
    const line = this.#lines.get(name);
    if (line === undefined || this.hasPlace(name, now)) {
      this.take(name);
      return 0;
    }
    return new Promise((resolve) => {
      const give = (result: number | undefined): void => {
        clearTimeout(timer);
        resolve(result);
      };
      const waiting: Waiting = { settle: give, isGone: false, next: undefined };
      const timer = setTimeout(
        () => {
          waiting.isGone = true;
          give(undefined);
        },
        Math.min(patience, LONGEST_TIMER),
      );
      if (line.first === undefined || line.last === undefined) line.first = waiting;
      else line.last.next = waiting;
      line.last = waiting;
    });
  }
}
