import type { Position } from "../../contract/verdict-parts.js";

/** Most changes of a realm that are kept for watchers that have not taken them yet. */
const MAX_CHANGES = 10_000;

/** Most bytes of them. */
const MAX_BYTES = 16 * 1024 ** 2;

/** Most positions of the feed that a watch can go on after. */
const MAX_POSITIONS = 10_000;

/**
 * The last changes of a realm, encoded once for all watchers. Each watcher has a cursor: the number of the next change that it
 * takes.
 */
export class ChangeRing {
  readonly #changes: Buffer[] = [];
  /** The number of the oldest change that is kept. */
  #first = 0;
  #bytes = 0;
  readonly #positions = new Map<number, { readonly mark: string; readonly cursor: number }>();

  /** The cursor of a watcher that has taken everything. */
  get end(): number {
    return this.#first + this.#changes.length;
  }

  /** Adds a change, encoded. */
  add(change: Buffer): void {
    this.#changes.push(change);
    this.#bytes += change.length;
    while (this.#changes.length > MAX_CHANGES || this.#bytes > MAX_BYTES) {
      this.#bytes -= (this.#changes.shift() as Buffer).length;
      this.#first++;
    }
  }

  /** The feed was read up to a position; all changes up to it were added. */
  pass({ number, mark }: Position): void {
    this.#positions.delete(number);
    this.#positions.set(number, { mark, cursor: this.end });
    if (this.#positions.size <= MAX_POSITIONS) return;
    for (const oldest of this.#positions.keys()) {
      this.#positions.delete(oldest);
      break;
    }
  }

  /** Makes it impossible to go on after any position so far: the history is another. */
  forget(): void {
    this.#positions.clear();
  }

  /** The cursor of a watcher that has everything up to a position; undefined if the changes after it are not all here. */
  after({ number, mark }: Position): number | undefined {
    const known = this.#positions.get(number);
    return known?.mark === mark && known.cursor >= this.#first ? known.cursor : undefined;
  }

  /** The change at a cursor; undefined at the end, null if it is kept no longer. */
  at(cursor: number): Buffer | undefined | null {
    return cursor < this.#first ? null : this.#changes[cursor - this.#first];
  }
}
