/**
 * Holds up this process, a server in it too, as a machine does that is paused. The bytes that were sent just before are there
 * once the process goes on, and so are the timers that ran out: those come first.
 *
 * @param millis how long
 * @param first sends the bytes
 */
export function standStill(millis: number, first: () => void): Promise<void> {
  // In this phase of the event loop: the next one is that of the timers.
  return new Promise((resolve) =>
    setImmediate(() => {
      first();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis);
      resolve();
    }),
  );
}
