import type { Clock } from "../util/clock.js";
import { type Revocation, revocationKey } from "./revocation.js";
import type { RevocationChange } from "./revocation-memory.js";

/** Milliseconds for which a revocation is remembered. */
export const REMEMBERED_FOR = 86_400_000;
/** The most revocations that are remembered: some 40 MB. */
export const MAX_REMEMBERED = 100_000;

interface Remembered {
  readonly revocation: Revocation;
  /** When it was made or extended, in milliseconds since 1970. */
  readonly at: number;
}

/**
 * The revocations of the last 24 hours as they were made, the latest 100,000 of them, for a store that lost them: the tables
 * that answer hold keys alone, from which no revocation can be made again.
 */
export class RecentRevocations {
  readonly #clock: Clock;
  readonly #max: number;
  /** By key, the earliest first. */
  readonly #byKey = new Map<string, Remembered>();

  /** @param max the most that are remembered; default {@link MAX_REMEMBERED} */
  constructor(clock: Clock, max = MAX_REMEMBERED) {
    this.#clock = clock;
    this.#max = max;
  }

  /** Remembers what was revoked, and forgets what was taken back. @param at milliseconds since 1970; default: now */
  note(change: RevocationChange, at = this.#clock()): void {
    if (change.kind === "unrevoked") {
      for (const selector of change.selectors) this.#byKey.delete(keyOf({ selector }));
      return;
    }
    for (const revocation of change.revocations) {
      const key = keyOf(revocation);
      const before = this.#byKey.get(key)?.revocation;
      this.#byKey.delete(key);
      this.#byKey.set(key, { revocation: before === undefined ? revocation : wider(before, revocation), at });
    }
    this.#trim();
  }

  /** The revocations of the last 24 hours, the earliest first. */
  list(): readonly Revocation[] {
    this.#trim();
    return [...this.#byKey.values()].map(({ revocation }) => revocation);
  }

  #trim(): void {
    const since = this.#clock() - REMEMBERED_FOR;
    for (const [key, { at }] of this.#byKey) {
      if (at >= since && this.#byKey.size <= this.#max) return;
      this.#byKey.delete(key);
    }
  }
}

const keyOf = ({ selector }: Pick<Revocation, "selector">): string => revocationKey(selector).toString("latin1");

/** A revocation is only ever extended; null refuses most. */
const wider = (before: Revocation, { selector, issuedBefore, exp }: Revocation): Revocation => ({
  selector,
  issuedBefore: later(before.issuedBefore, issuedBefore),
  exp: later(before.exp, exp),
});

const later = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : Math.max(a, b));
