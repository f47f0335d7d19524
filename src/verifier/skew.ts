/** How long what was seen counts: milliseconds. */
const WINDOW = 10 * 60_000;

/**
 * How far an issuer's clock is ahead of ours: the furthest that the `iat` or `nbf` of a token, whose signature verified,
 * lay ahead of our time. An issuer whose clock is behind cannot be told from a token that is old.
 */
export class Skew {
  #ahead = 0;
  #seenAt = 0;
  #before = 0;

  /** Takes a token's time. @param ahead seconds that it lies ahead of now; less than 0 is nothing @param now milliseconds since 1970 */
  note(ahead: number, now: number): void {
    this.#turn(now);
    if (ahead > this.#ahead) this.#ahead = ahead;
  }

  /** The furthest of the last ten to twenty minutes, in seconds; 0 where none lay ahead. */
  ahead(now: number): number {
    this.#turn(now);
    return Math.max(this.#ahead, this.#before);
  }

  #turn(now: number): void {
    const age = now - this.#seenAt;
    if (age >= 0 && age < WINDOW) return;
    this.#before = age >= 0 && age < 2 * WINDOW ? this.#ahead : 0;
    this.#ahead = 0;
    this.#seenAt = now;
  }
}
