import { setImmediate as turn } from "node:timers/promises";
import type { Revocation, RevokedToken } from "./directory.js";

/** How long, in milliseconds, expired revocations may take up memory before they are looked for again. */
const SWEEP_INTERVAL = 60_000;

/** How many revocations a sweep looks at in a turn: some tenths of a millisecond. */
const SWEPT = 5_000;

/** How many revocations are taken in at a time, before others have a turn. */
const SLICE = 5_000;

/** All revocations that hold, in memory. Times are in seconds since 1970; Infinity is for good. */
export class RevokedTokens {
  readonly #byDigest = new Map<string, number>();
  readonly #byRealm = new Map<string, Map<string, number>>();
  #now = 0;
  #sweptAt = 0;
  #sweeping: Generator<[Map<string, number>, string, number], void> | undefined;

  /** How many revocations are held; some may hold no longer. Takes time in proportion to the realms. */
  get size(): number {
    let sum = this.#byDigest.size;
    for (const byJti of this.#byRealm.values()) sum += byJti.size;
    return sum;
  }

  /**
   * Whether a token was revoked, and its revocation had not ended when {@link sweep} was last called. By the clock itself it
   * could have ended since a verdict took its own time.
   *
   * @param digest computed only where any token was revoked by its digest
   */
  has(realm: string, jti: string | undefined, digest: () => string): boolean {
    if (jti !== undefined && !hasEnded(this.#byRealm.get(realm)?.get(jti), this.#now)) return true;
    return this.#byDigest.size > 0 && !hasEnded(this.#byDigest.get(digest()), this.#now);
  }

  /** Adds a revocation; one that is there already holds until the later of the two times. */
  add({ token, until }: Revocation): void {
    const ends = until ?? Number.POSITIVE_INFINITY;
    const [map, key] = this.#slot(token);
    map.set(key, Math.max(map.get(key) ?? 0, ends));
  }

  /** Takes in any number, and lets the process do something else in between. */
  static async of(revocations: readonly Revocation[]): Promise<RevokedTokens> {
    const revoked = new RevokedTokens();
    for (let start = 0; start < revocations.length; start += SLICE) {
      if (start > 0) await turn();
      for (const revocation of revocations.slice(start, start + SLICE)) revoked.add(revocation);
    }
    return revoked;
  }

  /**
   * From now on what has ended by this time holds no longer. Its memory is freed later: going through all is begun once a
   * minute at most, and each call does a part of it.
   *
   * @param now milliseconds since 1970
   */
  sweep(now: number): void {
    this.#now = now;
    if (this.#sweeping === undefined) {
      if (Math.abs(now - this.#sweptAt) < SWEEP_INTERVAL) return;
      this.#sweptAt = now;
      this.#sweeping = this.#all();
    }
    for (let looked = 0; looked < SWEPT; looked++) {
      const { value, done } = this.#sweeping.next();
      if (done === true) {
        this.#sweeping = undefined;
        return;
      }
      const [map, key, end] = value;
      if (hasEnded(end, now)) map.delete(key);
    }
  }

  /** All that are held, where they are held. A map may change while it is gone through. */
  *#all(): Generator<[Map<string, number>, string, number], void> {
    for (const [digest, end] of this.#byDigest) yield [this.#byDigest, digest, end];
    for (const [realm, byJti] of this.#byRealm) {
      for (const [jti, end] of byJti) yield [byJti, jti, end];
      if (byJti.size === 0) this.#byRealm.delete(realm);
    }
  }

  #slot(token: RevokedToken): [Map<string, number>, string] {
    if (token.digest !== undefined) return [this.#byDigest, token.digest];
    let byJti = this.#byRealm.get(token.realm);
    if (byJti === undefined) {
      byJti = new Map();
      this.#byRealm.set(token.realm, byJti);
    }
    return [byJti, token.jti];
  }
}

/** @param end seconds since 1970, or undefined where there is no such revocation @param now milliseconds since 1970 */
const hasEnded = (end: number | undefined, now: number): boolean => end === undefined || end <= now / 1000;
