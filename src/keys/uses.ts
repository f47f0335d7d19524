const MINUTE = 60_000;
const MINUTES = 60;

/** Counts what happens, and tells how often it did in the last hour: a number for each of its minutes, nothing more. */
export class Uses {
  /** Made when there is something to count: a directory has many keys. */
  #counts: Uint32Array | undefined;
  #minute = 0;

  /** Counts one. @param now milliseconds since 1970 */
  note(now: number): void {
    this.#turn(now);
    this.#counts ??= new Uint32Array(MINUTES);
    const slot = this.#minute % MINUTES;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
  }

  /** How many were counted in this minute and the 59 before it. @param now milliseconds since 1970 */
  lastHour(now: number): number {
    this.#turn(now);
    return this.#counts?.reduce((sum, count) => sum + count, 0) ?? 0;
  }

  /** Forgets the minutes that are more than an hour old. */
  #turn(now: number): void {
    const minute = Math.floor(now / MINUTE);
    if (minute === this.#minute) return;
    const first = Math.max(this.#minute + 1, minute - MINUTES + 1);
    // A clock that was set back has a whole hour to forget: nobody knows which of it lies ahead.
    if (minute < this.#minute) this.#counts?.fill(0);
    for (let past = first; past <= minute; past++) this.#counts?.fill(0, past % MINUTES, (past % MINUTES) + 1);
    this.#minute = minute;
  }
}
