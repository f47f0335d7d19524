/** The first pause after a failure, in milliseconds; each further one is twice as long. */
const FIRST = 1000;

/**
 * The pause after so many failures in a row, in milliseconds: doubled each time, up to the longest, and shortened by a
 * random part of up to a half, so that processes that failed together do not come back together.
 *
 * @param failures at least 1
 * @param random from 0 to 1
 */
export function pauseAfter(failures: number, longest: number, random: number): number {
  const full = Math.min(longest, FIRST * 2 ** Math.min(failures - 1, 30));
  return full * (1 - random / 2);
}
