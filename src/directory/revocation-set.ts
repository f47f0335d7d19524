import {
  type KeyWords,
  type Revocation,
  revocationWords,
  SELECTOR_KINDS,
  SELECTOR_SCOPES,
  type Selector,
  type SelectorKind,
  scopeOf,
  secondsToEnd,
  type TokenLifetimes,
} from "./revocation.js";
import { type PackedRevocations, PackedRows, timeWord } from "./revocation-page.js";
import { LAST_GROUP, NO_TIME, RevocationTable, SEGMENTS } from "./revocation-table.js";

/** A kind of selectors with a scope, as a bit of a set of them: one for each of the 24 pairs. @param scope see `scopeOf` */
export const selectorBit = (kind: SelectorKind, scope = 0): number =>
  1 << (SELECTOR_KINDS.indexOf(kind) * SELECTOR_SCOPES.length + scope);

/** The bit of digests that are revoked in every realm, by a selector whose realm is empty. */
export const EVERY_REALM = 1 << (SELECTOR_KINDS.length * SELECTOR_SCOPES.length);

/** Finds revocations in memory. */
export interface RevocationLookup {
  /** The kinds and scopes of the selectors by which tokens of a realm are revoked, as bits ({@link selectorBit}); 0 for none. */
  selectorsOf(realm: string): number;
  /**
   * Until when tokens are refused that a selector of this key selects, by their time of issue in seconds since 1970: Infinity
   * refuses all of them, and -1 none, for there is no such revocation.
   *
   * @param kind its position in `SELECTOR_KINDS`
   * @param key see `revocationWords`
   */
  revokedUntil(kind: number, key: KeyWords): number;
}

/** No revocations. */
export const noRevocations: RevocationLookup = {
  selectorsOf: () => 0,
  revokedUntil: () => -1,
};

/** How many revocations of each kind a set is made for; more make it grow. */
export type RevocationCounts = Partial<Readonly<Record<SelectorKind, number>>>;

/** What the policy of a realm says about its tokens, by the realm's name. */
export type LifetimesByRealm = ReadonlyMap<string, TokenLifetimes>;

/** The revocations of a realm that have the same kind and scope; or all others of a kind, if there are too many groups. */
interface Group {
  /** Undefined for the group of all others, whose entries never end. */
  readonly realm: string | undefined;
  readonly kind: SelectorKind;
  readonly bit: number;
  /** Of entries. */
  count: number;
  /** Seconds from an entry's time to its end; Infinity if it does not end. */
  toEnd: number;
}

const other = (kind: SelectorKind): Group => ({
  realm: undefined,
  kind,
  bit: 0,
  count: 0,
  toEnd: Number.POSITIVE_INFINITY,
});

/** Milliseconds from the start of one sweep for ended revocations to the start of the next. */
const SWEEP_INTERVAL = 60_000;
/** Entries and segments that one call of {@link RevocationSet.sweep} looks at: some tenths of a millisecond. */
const [SWEEP_SLOTS, SWEEP_SEGMENTS] = [5_000, 512];

/** The kinds that select single tokens come first. */
const TOKEN_KINDS = 2;
const isToken = (kind: SelectorKind): boolean => SELECTOR_KINDS.indexOf(kind) < TOKEN_KINDS;

/** Revocations in memory: 20 to 25 bytes each, whatever their texts. */
export class RevocationSet implements RevocationLookup {
  /** By the position of their kind in `SELECTOR_KINDS`, so that a kind with few entries stays in the processor's cache. */
  readonly #tables: readonly RevocationTable[];
  /** By number; 0 is no group. */
  readonly #groups: (Group | undefined)[] = [undefined, ...SELECTOR_KINDS.map(other)];
  readonly #groupNumbers = new Map<string, number>();
  readonly #selectors = new Map<string, number>();
  /** What {@link selectorsOf} adds for every realm. */
  #ofEveryRealm = 0;
  #lifetimes: LifetimesByRealm;
  #sweptAt = Number.NEGATIVE_INFINITY;
  /** The next segment to sweep, of all tables one after the other; undefined between two sweeps. */
  #sweeping: number | undefined;

  constructor(lifetimes: LifetimesByRealm = new Map(), expected: RevocationCounts = {}) {
    this.#lifetimes = lifetimes;
    this.#tables = SELECTOR_KINDS.map((kind) => new RevocationTable(expected[kind]));
  }

  /** The number of revocations, some possibly ended. */
  get size(): number {
    return this.#tables.reduce((sum, { size }) => sum + size, 0);
  }

  /** Memory of the revocations. */
  get bytes(): number {
    return this.#tables.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  selectorsOf(realm: string): number {
    return (this.#selectors.get(realm) ?? 0) | this.#ofEveryRealm;
  }

  revokedUntil(kind: number, key: KeyWords): number {
    const time = (this.#tables[kind] as RevocationTable).find(key);
    // The time of a single token is its `exp`.
    return time === -1 || (kind >= TOKEN_KINDS && time !== NO_TIME) ? time : Number.POSITIVE_INFINITY;
  }

  /** Adds a revocation. What is revoked already stays revoked: the later time counts, and none is the latest. */
  add({ selector, issuedBefore, exp }: Revocation): void {
    const { realm, kind } = selector;
    this.#put(
      revocationWords(selector),
      this.#groupOf(realm, kind, scopeOf(selector)),
      timeWord(isToken(kind) ? exp : issuedBefore),
    );
  }

  /** Removes a revocation, if it is there. */
  remove(selector: Selector): void {
    const group = this.#tableOf(selector.kind).remove(revocationWords(selector));
    if (group !== 0) this.#uncount(group);
  }

  /**
   * Adds packed revocations, about ten million a second.
   *
   * @param start the first row, from 0 @param end the row after the last one
   * @throws DirectoryError `unusable` if they are not what this version knows
   */
  load(page: PackedRevocations, start: number, end: number): void {
    const rows = new PackedRows(page);
    let [last, group] = [-1, 0];
    for (let row = start; row < end; row++) {
      const name = rows.name(row);
      if (name !== last) {
        const { realm, kind, scope } = rows.selector(row);
        group = this.#groupOf(realm, kind, scope);
        last = name;
      }
      this.#put(
        rows.key(row),
        group,
        isToken((this.#groups[group] as Group).kind) ? rows.exp(row) : rows.issuedBefore(row),
      );
    }
  }

  /** Sets the policies by which revocations end; those in memory end by them as well. */
  setLifetimes(lifetimes: LifetimesByRealm): void {
    this.#lifetimes = lifetimes;
    for (const group of this.#groups) if (group !== undefined) group.toEnd = this.#toEnd(group.realm, group.kind);
  }

  /**
   * Frees the memory of revocations that have ended, in small steps: a pass over all begins at most once a minute, and each
   * call does a part of it.
   *
   * @param now milliseconds since 1970
   */
  sweep(now: number): void {
    if (this.#sweeping === undefined) {
      if (Math.abs(now - this.#sweptAt) < SWEEP_INTERVAL) return;
      this.#sweptAt = now;
      this.#sweeping = 0;
    }
    const seconds = now / 1000;
    const hasEnded = (group: number, time: number): boolean =>
      time !== NO_TIME && time + (this.#groups[group] as Group).toEnd <= seconds;
    const onRemoved = (group: number): void => this.#uncount(group);
    let slots = 0;
    for (let segments = 0; segments < SWEEP_SEGMENTS && slots < SWEEP_SLOTS; segments++) {
      const table = this.#tables[Math.floor(this.#sweeping / SEGMENTS)];
      if (table === undefined) {
        this.#sweeping = undefined;
        return;
      }
      if (table.size === 0) {
        this.#sweeping += SEGMENTS - (this.#sweeping % SEGMENTS);
        continue;
      }
      slots += table.sweep(this.#sweeping % SEGMENTS, hasEnded, onRemoved);
      this.#sweeping++;
    }
  }

  #put(key: KeyWords, number: number, time: number): void {
    const group = this.#groups[number] as Group;
    if (this.#tableOf(group.kind).put(key, number, time) && group.count++ === 0) this.#mark(group, true);
  }

  #tableOf(kind: SelectorKind): RevocationTable {
    return this.#tables[SELECTOR_KINDS.indexOf(kind)] as RevocationTable;
  }

  #uncount(number: number): void {
    const group = this.#groups[number] as Group;
    if (--group.count === 0) this.#mark(group, false);
  }

  /** Notes whether there are revocations of a group. */
  #mark({ realm, bit }: Group, has: boolean): void {
    if (realm === undefined) return;
    if (realm === "") this.#ofEveryRealm = has ? this.#ofEveryRealm | EVERY_REALM : this.#ofEveryRealm & ~EVERY_REALM;
    else {
      const bits = this.#selectors.get(realm) ?? 0;
      this.#selectors.set(realm, has ? bits | bit : bits & ~bit);
    }
  }

  /** The number of a group, which is made if it is new. */
  #groupOf(realm: string, kind: SelectorKind, scope: number): number {
    const bit = selectorBit(kind, scope);
    const name = `${bit} ${realm}`;
    const known = this.#groupNumbers.get(name);
    if (known !== undefined) return known;
    const isShared = this.#groups.length > LAST_GROUP;
    const number = isShared ? 1 + SELECTOR_KINDS.indexOf(kind) : this.#groups.length;
    if (isShared) this.#ofEveryRealm |= realm === "" ? EVERY_REALM : bit;
    else this.#groups.push({ realm, kind, bit, count: 0, toEnd: this.#toEnd(realm, kind) });
    this.#groupNumbers.set(name, number);
    return number;
  }

  /** A realm that is not configured may return, so its revocations do not end. */
  #toEnd(realm: string | undefined, kind: SelectorKind): number {
    const all = realm === "" ? [...this.#lifetimes.values()] : [this.#lifetimes.get(realm ?? "")];
    return all.length === 0
      ? Number.POSITIVE_INFINITY
      : Math.max(...all.map((one) => (one === undefined ? Number.POSITIVE_INFINITY : secondsToEnd(kind, one))));
  }
}
