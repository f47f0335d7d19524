/** The one clock of a run, in milliseconds: it is monotonic, so no step of the machine's clock moves it. */
export const now = (): number => performance.timeOrigin + performance.now();

/** Waits. @param millis how long */
export const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));
