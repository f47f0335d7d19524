/**
 * Blocks this process, including any server in it, like a paused machine. When it continues, expired timers run before the bytes
 * that were sent just before are read.
 *
 * @param millis the milliseconds to block for
 * @param first sends the bytes
 */
export function standStill(millis: number, first: () => void): Promise<void> {
  // After this phase of the event loop, timers run next.
  return new Promise((resolve) =>
    setImmediate(() => {
      first();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis);
      resolve();
    }),
  );
}
