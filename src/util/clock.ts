/** Tells the time, in milliseconds since 1970. Everything that needs the time is given one: `systemClock`, or a test's own. */
export type Clock = () => number;

/** How far, in milliseconds, the finer clock may be off before it is set anew: the system's own was changed then. */
const APART = 2;

/**
 * The system's clock with fractions of a millisecond, which latencies of some microseconds are measured with: the
 * process's steady clock, held within 2 ms of the system's.
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
