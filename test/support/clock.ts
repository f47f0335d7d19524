import type { Clock } from "../../src/util/clock.js";

/** The time of the tests, 2027-01-15T08:00:00Z, in milliseconds since 1970. */
export const NOW = 1_800_000_000_000;

/** A clock that changes only when it is set. */
export interface TestClock {
  readonly now: Clock;
  /** @param millis since 1970 */
  set(millis: number): void;
}

/** Makes a clock that starts at {@link NOW}. */
export function createClock(): TestClock {
  let time = NOW;
  return {
    now: () => time,
    set: (millis) => {
      time = millis;
    },
  };
}
