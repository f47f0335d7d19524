/** Returns the time in milliseconds since 1970. Code that needs the time is passed one: `systemClock`, or a test's. */
export type Clock = () => number;

/** Milliseconds that the finer clock may differ from the system's before it is reset: the system's clock was changed. */
const APART = 2;

/**
 * The system's clock with fractions of a millisecond, to measure latencies of microseconds: the process's monotonic
 * clock, kept within 2 ms of the system's.
 */
export function systemClock(wall: Clock = Date.now, steady: Clock = () => performance.now()): Clock {
  let offset = wall() - steady();
  return () => {
    const coarse = wall();
    const fine = steady() + offset;
    if (Math.abs(fine - coarse) <= APART) return fine;
    offset += coarse - fine;
    return coarse;
  };
}
