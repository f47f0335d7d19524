/** Runs something after so many milliseconds, unless it is cancelled. Keeps no process alive. */
export type After = (millis: number, run: () => void) => () => void;

/** The same on the process's own timers. */
export const inTime: After = (millis, run) => {
  // Node fires at once what lies further off than it can count.
  const timer = setTimeout(run, Math.min(millis, 2 ** 31 - 1)).unref();
  return () => clearTimeout(timer);
};
