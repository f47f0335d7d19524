import type { Position } from "../contract/verifier.js";

// What a client keeps of one watch, and which verdicts it may use by it. Awaits nothing, reads no clock: all times are those of
// one clock that never goes back, in milliseconds.

/** Milliseconds for which changes are kept, for verdicts that arrive later than the changes after them. */
const WINDOW = 30_000;

/** A verdict that may be kept. */
export interface Candidate<Value> {
  readonly value: Value;
  /** Undefined without a directory. */
  readonly position: Position | undefined;
  /** Empty if the key was an instance's. */
  readonly trustedKey: string;
  readonly realmVersion: string;
  /** Everything that a change may select it by: texts that {@link Change.selectors} are equal to. */
  readonly selectors: readonly string[];
  /** The `iat` of the token in seconds since 1970; undefined if it is missing. */
  readonly issuedAt: number | undefined;
  /** When the token expires. */
  readonly until: number;
  /** A time at which the service had read the feed to its end; undefined without a directory. */
  readonly readAt: number | undefined;
}

/** A change, as the watch told it. */
export type Change =
  /** @param selectors undefined selects all @param issuedBefore seconds since 1970; undefined: whenever they were issued */
  | {
      readonly kind: "ended";
      readonly selectors: readonly string[] | undefined;
      readonly issuedBefore: number | undefined;
    }
  | { readonly kind: "keys"; readonly trustedKeys: readonly string[] }
  | { readonly kind: "realm"; readonly realmVersion: string }
  | { readonly kind: "reset" };

/** How a watch begins. */
export interface Opening {
  /** Whether all changes after the last position follow. */
  readonly resumed: boolean;
  readonly realmVersion: string;
  readonly trustedKeys: readonly string[];
}

/** Bounds the verdicts of several watches together. */
export interface Room {
  readonly max: number;
  used: number;
}

/** What is remembered of a change, for verdicts that were made before it. */
interface Told {
  readonly number: number;
  readonly at: number;
  readonly selectors: ReadonlySet<string> | undefined;
  readonly issuedBefore: number | undefined;
}

/**
 * The verdicts that are kept under one watch of a realm.
 *
 * A verdict that {@link get} returns knows of everything that had been committed when the last answered ping was sent, less the
 * answer's `feed_age`; and that ping was sent at most `maxStaleness` ago.
 */
export class WatchState<Value> {
  readonly #maxStaleness: number;
  readonly #room: Room;
  /** The least recently used first. */
  readonly #kept = new Map<string, Candidate<Value>>();
  readonly #bySelector = new Map<string, Set<string>>();
  #isOpen = false;
  #realmVersion = "";
  #trustedKeys: ReadonlySet<string> = new Set();
  #position: Position | undefined;
  /** All changes after this number are in {@link #told}. */
  #from = 0;
  #told: Told[] = [];
  /** The marks of the last positions, by number. */
  readonly #marks = new Map<number, { readonly mark: string; readonly at: number }>();
  /** Since when the history is this one: a service that read the feed later has it too. */
  #historySince = Number.NEGATIVE_INFINITY;
  /** When the last answered ping was sent. */
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(maxStaleness: number, room: Room) {
    this.#maxStaleness = maxStaleness;
    this.#room = room;
  }

  /** The position to go on after; undefined if there is nothing to lose. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** How many verdicts are kept. */
  get size(): number {
    return this.#kept.size;
  }

  /** The watch has begun, for the first time or again. */
  opened({ resumed, realmVersion, trustedKeys }: Opening, position: Position | undefined, now: number): void {
    if (!(resumed && this.#isOpen)) this.#begin(position, now);
    this.#isOpen = true;
    this.#setRealm(realmVersion);
    this.#setKeys(trustedKeys);
  }

  /** A change was told. @param position up to which everything is known with it */
  changed(change: Change, position: Position | undefined, now: number): void {
    if (change.kind === "reset") this.#begin(position, now);
    else if (change.kind === "keys") this.#setKeys(change.trustedKeys);
    else if (change.kind === "realm") this.#setRealm(change.realmVersion);
    else {
      const { selectors, issuedBefore } = change;
      this.#end(selectors, issuedBefore);
      const number = position?.number ?? 0;
      this.#told.push({ number, at: now, selectors: selectors && new Set(selectors), issuedBefore });
    }
    this.#advance(position, now);
  }

  /** A ping was answered. @param sentAt when it was sent */
  answered(sentAt: number, position: Position | undefined, now: number): void {
    this.#heardAt = Math.max(this.#heardAt, sentAt);
    this.#advance(position, now);
  }

  /** The caller may watch no longer: nothing may be kept, and nothing used, until the watch is opened again. */
  denied(): void {
    this.#isOpen = false;
    this.#position = undefined;
    this.#heardAt = Number.NEGATIVE_INFINITY;
    this.#clear();
  }

  /** Whether verdicts may be used: the watch was heard lately. */
  isHeard(now: number): boolean {
    return this.#isOpen && now - this.#heardAt <= this.#maxStaleness;
  }

  /** The verdict that is kept under a key; `suspended` if there is one that may not be used now. */
  get(key: string, now: number): Value | "suspended" | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (now >= kept.until) {
      this.#drop(key);
      return undefined;
    }
    if (!this.isHeard(now)) return "suspended";
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.value;
  }

  /** Keeps a verdict if it is known which changes came after it, and none of them touches it. @returns whether it was kept */
  offer(key: string, candidate: Candidate<Value>, now: number): boolean {
    if (!this.#isOpen || now >= candidate.until || !this.#isCurrent(candidate)) return false;
    this.#drop(key);
    if (this.#room.used >= this.#room.max) {
      const [oldest] = this.#kept.keys();
      if (oldest === undefined) return false;
      this.#drop(oldest);
    }
    this.#kept.set(key, candidate);
    this.#room.used++;
    for (const selector of candidate.selectors) {
      const keys = this.#bySelector.get(selector);
      if (keys === undefined) this.#bySelector.set(selector, new Set([key]));
      else keys.add(key);
    }
    return true;
  }

  #isCurrent({ position, trustedKey, realmVersion, readAt, ...token }: Candidate<Value>): boolean {
    if (realmVersion !== this.#realmVersion) return false;
    if (trustedKey !== "" && !this.#trustedKeys.has(trustedKey)) return false;
    if (position === undefined || this.#position === undefined) return position === this.#position;
    const { number, mark } = position;
    if (number < this.#from) return false;
    const known = this.#marks.get(number)?.mark;
    if (known !== undefined && known !== mark) return false;
    // A position that the watch did not pass may be of another history, unless the service read the feed after this one began.
    if (known === undefined && (readAt === undefined || readAt <= this.#historySince)) return false;
    return !this.#told.some((told) => told.number > number && touches(told, token));
  }

  /** Drops everything: what happened before this position is not known. */
  #begin(position: Position | undefined, now: number): void {
    this.#clear();
    this.#told = [];
    this.#marks.clear();
    this.#position = undefined;
    this.#from = position?.number ?? 0;
    this.#historySince = now;
    this.#heardAt = Number.NEGATIVE_INFINITY;
    this.#advance(position, now);
  }

  #advance(position: Position | undefined, now: number): void {
    if (position !== undefined) {
      this.#position = position;
      this.#marks.set(position.number, { mark: position.mark, at: now });
    }
    const end = now - WINDOW;
    let old = 0;
    for (const { at, number } of this.#told) {
      if (at > end) break;
      this.#from = Math.max(this.#from, number);
      old++;
    }
    if (old > 0) this.#told.splice(0, old);
    for (const [number, { at }] of this.#marks) {
      if (at > end || number === this.#position?.number) break;
      this.#marks.delete(number);
    }
  }

  #setRealm(realmVersion: string): void {
    if (realmVersion === this.#realmVersion) return;
    this.#realmVersion = realmVersion;
    this.#dropWhere((kept) => kept.realmVersion !== realmVersion);
  }

  #setKeys(trustedKeys: readonly string[]): void {
    const trusted = new Set(trustedKeys);
    this.#trustedKeys = trusted;
    this.#dropWhere((kept) => kept.trustedKey !== "" && !trusted.has(kept.trustedKey));
  }

  /** Drops what a change selects, whatever positions it was made at: a verdict that knows the change is asked for once more. */
  #end(selectors: readonly string[] | undefined, issuedBefore: number | undefined): void {
    if (selectors === undefined) {
      this.#dropWhere((kept) => wasIssuedBefore(kept, issuedBefore));
      return;
    }
    for (const selector of selectors) {
      for (const key of this.#bySelector.get(selector) ?? []) {
        const kept = this.#kept.get(key);
        if (kept !== undefined && wasIssuedBefore(kept, issuedBefore)) this.#drop(key);
      }
    }
  }

  #dropWhere(isEnded: (kept: Candidate<Value>) => boolean): void {
    for (const [key, kept] of this.#kept) if (isEnded(kept)) this.#drop(key);
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#room.used--;
    for (const selector of kept.selectors) {
      const keys = this.#bySelector.get(selector);
      keys?.delete(key);
      if (keys?.size === 0) this.#bySelector.delete(selector);
    }
  }

  #clear(): void {
    this.#room.used -= this.#kept.size;
    this.#kept.clear();
    this.#bySelector.clear();
  }
}

type TokenFacts = Pick<Candidate<unknown>, "selectors" | "issuedAt">;

const wasIssuedBefore = ({ issuedAt }: TokenFacts, time: number | undefined): boolean =>
  time === undefined || issuedAt === undefined || issuedAt <= time;

const touches = ({ selectors, issuedBefore }: Told, token: TokenFacts): boolean =>
  wasIssuedBefore(token, issuedBefore) &&
  (selectors === undefined || token.selectors.some((selector) => selectors.has(selector)));
