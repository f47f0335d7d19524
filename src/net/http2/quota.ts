/** Sets how much is held, at first nothing; false where that is more than there is left: then nothing changes. */
export type Reservation = (amount: number) => boolean;

/** Something that there is only so much of, and that no address may have all of. */
export class Quota {
  readonly #whole: number;
  readonly #share: number;
  readonly #held = new Map<string, number>();
  #sum = 0;

  /** @param whole how much all may hold together @param share how much of it one address may hold */
  constructor(whole: number, share: number) {
    this.#whole = whole;
    this.#share = share;
  }

  /** Somebody who holds some. @param sharer whose share it counts in; undefined: only the whole bounds it */
  holder(sharer: string | undefined): Reservation {
    let held = 0;
    return (amount) => {
      const more = amount - held;
      const before = sharer === undefined ? 0 : (this.#held.get(sharer) ?? 0);
      if (more > 0 && (this.#sum + more > this.#whole || before + more > this.#shareOf(sharer))) return false;
      held = amount;
      this.#sum += more;
      if (sharer !== undefined) {
        if (before + more === 0) this.#held.delete(sharer);
        else this.#held.set(sharer, before + more);
      }
      return true;
    };
  }

  #shareOf(sharer: string | undefined): number {
    return sharer === undefined ? Number.POSITIVE_INFINITY : this.#share;
  }
}
