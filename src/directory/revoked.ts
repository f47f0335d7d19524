import { setImmediate as turn } from "node:timers/promises";
import type { Revocation, RevokedToken } from "./directory.js";

/** How often, in milliseconds, expired revocations are looked for at most: looking costs time in proportion to all. */
const SWEEP_INTERVAL = 1_000;

/** How many revocations are taken in at a time, before others have a turn. */
const SLICE = 5_000;

/** All revocations that hold, in memory. Times are in seconds since 1970; Infinity is for good. */
export class RevokedTokens {
  readonly #byDigest = new Map<string, number>();
  readonly #byRealm = new Map<string, Map<string, number>>();
  #sweptAt = 0;

  /** How many revocations are held; some may hold no longer. Takes time in proportion to the realms. */
  get size(): number {
    let sum = this.#byDigest.size;
    for (const byJti of this.#byRealm.values()) sum += byJti.size;
    return sum;
  }

  /** Whether a token was revoked. @param digest computed only where any token was revoked by its digest */
  has(realm: string, jti: string | undefined, digest: () => string): boolean {
    if (jti !== undefined && this.#byRealm.get(realm)?.has(jti) === true) return true;
    return this.#byDigest.size > 0 && this.#byDigest.has(digest());
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

  /** Drops those that hold no longer. @param now milliseconds since 1970 */
  sweep(now: number): void {
    if (Math.abs(now - this.#sweptAt) < SWEEP_INTERVAL) return;
    this.#sweptAt = now;
    dropEnded(this.#byDigest, now / 1000);
    for (const [realm, byJti] of this.#byRealm) {
      dropEnded(byJti, now / 1000);
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

function dropEnded(ends: Map<string, number>, seconds: number): void {
  for (const [key, end] of ends) if (end <= seconds) ends.delete(key);
}
