import { setImmediate as nextTurn } from "node:timers/promises";
import type { Revocation, RevokedToken } from "./model.js";

/** Milliseconds from the start of one sweep for ended revocations to the start of the next. */
const SWEEP_INTERVAL = 60_000;

/** Revocations that one call of {@link RevocationList.sweep} looks at: some tenths of a millisecond. */
const SWEEP_BATCH = 5_000;

/** Revocations that {@link RevocationList.from} adds before it lets the process do other work. */
const ADD_BATCH = 5_000;

/** Revocations in a page of {@link RevocationList.pages}: some 100 KB. */
const PAGE_SIZE = 1_000;

/** All revocations, in memory. Times are in seconds since 1970; Infinity for a permanent revocation. */
export class RevocationList {
  readonly #byDigest = new Map<string, number>();
  readonly #byScope = new Map<string, Map<string, number>>();
  #now = 0;
  #sweptAt = 0;
  #sweeping: Generator<[Map<string, number>, string, number], void> | undefined;

  /** Makes a list of any number of revocations, and lets the process do other work in between. */
  static async from(revocations: readonly Revocation[]): Promise<RevocationList> {
    const list = new RevocationList();
    for (let start = 0; start < revocations.length; start += ADD_BATCH) {
      if (start > 0) await nextTurn();
      for (const revocation of revocations.slice(start, start + ADD_BATCH)) list.add(revocation);
    }
    return list;
  }

  /** The whole list in pages, for {@link addPage} of another process. Revocations made meanwhile may be among them. */
  *pages(): Generator<readonly Revocation[]> {
    let page: Revocation[] = [];
    for (const revocation of this.#revocations()) {
      if (page.push(revocation) < PAGE_SIZE) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }

  /** Adds a page of {@link pages}. */
  addPage(page: readonly Revocation[]): void {
    for (const revocation of page) this.add(revocation);
  }

  *#revocations(): Generator<Revocation> {
    for (const [digest, end] of this.#byDigest) yield { token: { digest }, until: untilOf(end) };
    for (const [realm, byJti] of this.#byScope) {
      for (const [jti, end] of byJti) yield { token: { realm, jti }, until: untilOf(end) };
    }
  }

  /** The number of revocations, some possibly ended. Takes time in proportion to the number of scopes. */
  get size(): number {
    let sum = this.#byDigest.size;
    for (const byJti of this.#byScope.values()) sum += byJti.size;
    return sum;
  }

  /**
   * Whether a token was revoked, and the revocation had not ended at the last {@link sweep}. The clock itself may be ahead
   * of the time that a verdict is made for.
   *
   * @param narrower a second scope in which to look for the `jti`
   * @param digest called only if some token was revoked by its digest
   */
  has(scope: string, jti: string | undefined, digest: () => string, narrower?: string): boolean {
    if (jti !== undefined) {
      if (!hasEnded(this.#byScope.get(scope)?.get(jti), this.#now)) return true;
      if (narrower !== undefined && !hasEnded(this.#byScope.get(narrower)?.get(jti), this.#now)) return true;
    }
    return this.#byDigest.size > 0 && !hasEnded(this.#byDigest.get(digest()), this.#now);
  }

  /** Adds a revocation. A token that is revoked already stays revoked until the later of the two ends. */
  add({ token, until }: Revocation): void {
    const end = until ?? Number.POSITIVE_INFINITY;
    const [map, key] = this.#slot(token);
    map.set(key, Math.max(map.get(key) ?? 0, end));
  }

  /**
   * Ends the revocations whose time has come. Their memory is freed in small steps: a pass over the list begins at most
   * once a minute, and each call does a part of it.
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
    for (let looked = 0; looked < SWEEP_BATCH; looked++) {
      const { value, done } = this.#sweeping.next();
      if (done === true) {
        this.#sweeping = undefined;
        return;
      }
      const [map, key, end] = value;
      if (hasEnded(end, now)) map.delete(key);
    }
  }

  /** Every revocation with the map that holds it. A map may change during the iteration. */
  *#all(): Generator<[Map<string, number>, string, number], void> {
    for (const [digest, end] of this.#byDigest) yield [this.#byDigest, digest, end];
    for (const [scope, byJti] of this.#byScope) {
      for (const [jti, end] of byJti) yield [byJti, jti, end];
      if (byJti.size === 0) this.#byScope.delete(scope);
    }
  }

  #slot(token: RevokedToken): [Map<string, number>, string] {
    if (token.digest !== undefined) return [this.#byDigest, token.digest];
    let byJti = this.#byScope.get(token.realm);
    if (byJti === undefined) {
      byJti = new Map();
      this.#byScope.set(token.realm, byJti);
    }
    return [byJti, token.jti];
  }
}

/** @param end seconds since 1970; undefined if there is no such revocation @param now milliseconds since 1970 */
const hasEnded = (end: number | undefined, now: number): boolean => end === undefined || end <= now / 1000;

const untilOf = (end: number): number | null => (end === Number.POSITIVE_INFINITY ? null : end);
