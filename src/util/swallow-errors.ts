/** The same, but what it throws is dropped: a log that cannot be written is no reason to fail a call, and nobody is left to tell. */
export const swallowErrors =
  <Args extends unknown[]>(tell: (...args: Args) => void) =>
  (...args: Args): void => {
    try {
      tell(...args);
    } catch {
      // See above.
    }
  };
