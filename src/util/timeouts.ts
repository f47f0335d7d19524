/** Waits until the work is done or the time is over, whichever is first. @param work must not reject */
export function until(work: Promise<unknown>, millis: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, millis));
    void work.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
