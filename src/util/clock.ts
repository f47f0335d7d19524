/** Returns the time in milliseconds since 1970. Code that needs the time is passed one: `systemClock`, or a test's. */
export type Clock = () => number;

/** Milliseconds that the finer clock may differ from the system's before it is reset: the system's clock was changed. */
const APART = 2;

/** Milliseconds between two looks at the system's clock, each of which takes as long as one at the monotonic clock. */
const LOOK = 1;

/**
 * The system's clock with fractions of a millisecond, to measure latencies of microseconds: the process's monotonic
 * clock, compared with the system's once a millisecond and kept within 2 ms of it.
 */
export function systemClock(wall: Clock = Date.now, steady: Clock = () => performance.now()): Clock {
  let looked = steady();
  let offset = wall() - looked;
  return () => {
    const at = steady();
    if (at - looked < LOOK) return at + offset;
    looked = at;
    const coarse = wall();
    if (Math.abs(at + offset - coarse) > APART) offset = coarse - at;
    return at + offset;
  };
}

/** Milliseconds on the machine's monotonic clock: the same in all of its processes, never set, and without a meaningful start. */
export const steadyClock: Clock = () => Number(process.hrtime.bigint()) / 1e6;
