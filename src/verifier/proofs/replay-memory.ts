import { hash, randomBytes } from "node:crypto";

/** DPoP proofs that a realm remembers unless the configuration says otherwise. */
export const DEFAULT_MAX_PROOFS = 1_000_000;

/** Words of an entry: 128 bits of a digest, and the last second of its life. */
const WORDS = 5;
const LIFE = WORDS - 1;

/** Entries of a page when the memory is full, on average. A look-up reads all of one page. */
const PAGE_ENTRIES = 128;
const MAX_PAGES = 65_536;

/** Seconds for which lives are counted; a proof is remembered for at most 121. */
const SECONDS = 256;

/** What becomes of a proof: `noted`, `replayed` if it was remembered before, or `full` if there is no room for it. */
export type Noted = "noted" | "replayed" | "full";

/** The DPoP proofs that a realm has accepted, remembered by this process or by another one for several. */
export interface ProofMemory {
  /** What a proof is remembered by: a digest of its key's thumbprint and its `jti`. @param thumbprint of 43 characters */
  digest(thumbprint: string, jti: string): Buffer;
  /** Whether this process knows that a proof is remembered. @param now milliseconds since 1970 */
  has(digest: Buffer, now: number): boolean;
  /** Remembers a proof, unless it was remembered before: see {@link ReplayMemory.note}. Never rejects. */
  note(digest: Buffer, until: number, now: number): Noted | Promise<Noted>;
  /**
   * Learns whether a proof is remembered, which {@link has} then tells. Absent if `has` always knows. Never rejects.
   *
   * @returns whether it is remembered
   */
  look?(digest: Buffer, now: number): Promise<boolean>;
  /** Number of proofs remembered by this process. @param now milliseconds since 1970 */
  size(now: number): number;
}

/**
 * Remembers the DPoP proofs that a realm has accepted, until they are too old to be accepted again. An entry takes about 23
 * bytes. At the bound it takes no more, since a forgotten proof could be used twice.
 */
export class ReplayMemory implements ProofMemory {
  readonly #max: number;
  /** Keeps a caller from making proofs whose entries all lie in one page. */
  readonly #salt = randomBytes(16).toString("latin1");
  /** Allocated by the first proof. */
  #pages: (Uint32Array | undefined)[] = [];
  /** Entries of each page, some of which may have ended. */
  #used = new Uint32Array(0);
  /** Living entries by the last second of their life, modulo {@link SECONDS}. */
  readonly #lives = new Uint32Array(SECONDS);
  #living = 0;
  #second = 0;
  /** The last second of the longest life of all entries. */
  #latest = 0;

  /** @param max most living entries */
  constructor(max = DEFAULT_MAX_PROOFS) {
    this.#max = max;
  }

  /** See {@link ProofMemory.digest}. */
  digest(thumbprint: string, jti: string): Buffer {
    return hash("sha256", this.#salt + thumbprint + jti, "buffer");
  }

  /** Whether a proof is remembered. @param now milliseconds since 1970 */
  has(digest: Buffer, now: number): boolean {
    const second = Math.floor(now / 1000);
    const at = this.#pageOf(digest);
    const page = this.#pages[at];
    if (page === undefined) return false;
    const end = (this.#used[at] as number) * WORDS;
    const first = digest.readUInt32LE(0);
    for (let i = 0; i < end; i += WORDS) {
      if (page[i] === first && isAt(page, i, digest) && (page[i + LIFE] as number) >= second) return true;
    }
    return false;
  }

  /**
   * Remembers a proof.
   *
   * @param until the time until which it could be accepted again, in seconds since 1970
   * @param now milliseconds since 1970
   * @returns `replayed` if it was remembered before; `full` if the memory has no room, and then nothing is remembered
   */
  note(digest: Buffer, until: number, now: number): Noted {
    this.#advance(Math.floor(now / 1000));
    if (this.has(digest, now)) return "replayed";
    if (this.#living >= this.#max) return "full";
    if (this.#pages.length === 0) this.#allocate();
    const at = this.#pageOf(digest);
    const page = this.#roomIn(at);
    const used = this.#used[at] as number;
    const last = Math.ceil(until);
    if (last > this.#latest) this.#latest = last;
    for (let word = 0; word < LIFE; word++) page[used * WORDS + word] = digest.readUInt32LE(4 * word);
    page[used * WORDS + LIFE] = last;
    this.#used[at] = used + 1;
    this.#lives[last % SECONDS] = (this.#lives[last % SECONDS] as number) + 1;
    this.#living++;
    return "noted";
  }

  /** Number of proofs remembered. @param now milliseconds since 1970 */
  size(now: number): number {
    this.#advance(Math.floor(now / 1000));
    return this.#living;
  }

  #pageOf(digest: Buffer): number {
    return digest.readUInt32LE(16) & (this.#pages.length - 1);
  }

  #allocate(): void {
    const pages = 2 ** Math.ceil(Math.log2(this.#max / PAGE_ENTRIES));
    this.#pages = Array.from({ length: Math.min(MAX_PAGES, Math.max(1, pages)) });
    this.#used = new Uint32Array(this.#pages.length);
  }

  /** A page with room for one more entry: drops the entries that have ended, and makes the page longer if none has. */
  #roomIn(at: number): Uint32Array {
    const page = this.#pages[at] ?? new Uint32Array(0);
    const length = page.length / WORDS;
    if (this.#used[at] === length) this.#used[at] = this.#compact(page);
    const used = this.#used[at] as number;
    if (used < length) return page;
    const longer = new Uint32Array((used + Math.max(8, used >> 2)) * WORDS);
    longer.set(page);
    this.#pages[at] = longer;
    return longer;
  }

  /** Moves the living entries to the front. Returns their number. */
  #compact(page: Uint32Array): number {
    let kept = 0;
    for (let i = 0; i < page.length; i += WORDS) {
      if ((page[i + LIFE] as number) < this.#second) continue;
      page.copyWithin(kept * WORDS, i, i + WORDS);
      kept++;
    }
    return kept;
  }

  /** Stops counting entries whose life has ended. Their pages drop them when they need the room, or all at once. */
  #advance(second: number): void {
    const passed = second - this.#second;
    // After the clock was set back, what ended earlier stays uncounted.
    for (let i = Math.max(0, passed - SECONDS); i < passed; i++) {
      const slot = (this.#second + i) % SECONDS;
      this.#living -= this.#lives[slot] as number;
      this.#lives[slot] = 0;
    }
    this.#second = second;
    // After the clock was set back, entries that are not counted may have a life that is still to come.
    if (passed > 0 && this.#living === 0 && this.#latest < second) this.#pages = [];
  }
}

/** Whether a digest's entry begins at a place of a page. */
function isAt(page: Uint32Array, place: number, digest: Buffer): boolean {
  for (let word = 0; word < LIFE; word++) if (page[place + word] !== digest.readUInt32LE(4 * word)) return false;
  return true;
}
