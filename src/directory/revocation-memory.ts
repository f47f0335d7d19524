import { setImmediate as nextTurn } from "node:timers/promises";
import type { KeyWords, Revocation, Selector } from "./revocation.js";
import { type PackedRevocations, rowsOf } from "./revocation-page.js";
import {
  type LifetimesByRealm,
  type RevocationCounts,
  type RevocationLookup,
  RevocationSet,
} from "./revocation-set.js";

/** A change to the revocations, as the feed reports it. */
export type RevocationChange =
  | { readonly kind: "revoked"; readonly revocations: readonly Revocation[] }
  | { readonly kind: "unrevoked"; readonly selectors: readonly Selector[] };

/** All revocations of a store, to be loaded. */
export interface RevocationPages {
  /** How many there are, about. */
  readonly expected: RevocationCounts;
  /** Pages in any order, read at or after the time from which changes are reported. */
  readonly pages: AsyncIterable<PackedRevocations>;
  /** Revocations that count beside those of the store; default none. */
  readonly kept?: readonly Revocation[];
}

/** Packed revocations that are added in one turn: one to two milliseconds. */
const ROWS_A_TURN = 5_000;

/** Revocations of the feed that are added in one turn. */
const CHANGES_A_TURN = 1_000;

/** A load under way. */
interface Loading {
  readonly set: RevocationSet;
  /** The changes since it began, oldest first: a page may have been read before or after any of them. */
  readonly changes: RevocationChange[];
}

/** The revocations that answer, and those that are loaded beside them to take their place. */
export class RevocationMemory implements RevocationLookup {
  #set = new RevocationSet();
  #loading: Loading | undefined;
  #lifetimes: LifetimesByRealm = new Map();

  /** The number of revocations that answer, some possibly ended. */
  get size(): number {
    return this.#set.size;
  }

  /** Memory of the revocations that answer. */
  get bytes(): number {
    return this.#set.bytes;
  }

  selectorsOf(realm: string): number {
    return this.#set.selectorsOf(realm);
  }

  revokedUntil(kind: number, key: KeyWords): number {
    return this.#set.revokedUntil(kind, key);
  }

  /** Applies a change at once, and again to what is being loaded. */
  apply(change: RevocationChange): void {
    applyTo(this.#set, change);
    this.#loading?.changes.push(change);
  }

  /** Sets the policies by which revocations end. */
  setLifetimes(lifetimes: LifetimesByRealm): void {
    this.#lifetimes = lifetimes;
    this.#set.setLifetimes(lifetimes);
    this.#loading?.set.setLifetimes(lifetimes);
  }

  /** Frees the memory of ended revocations, a part at each call. @param now milliseconds since 1970 */
  sweep(now: number): void {
    this.#set.sweep(now);
  }

  /**
   * Replaces all revocations by those of a store, and all changes that are applied meanwhile. The old ones answer until
   * then; if the load fails, they stay. Lets the process do other work every few milliseconds. A later load takes the place
   * of one that is under way, which then has no effect.
   *
   * @throws DirectoryError `unusable` for pages that this version does not know, and what `pages` throws
   */
  async load({ expected, pages, kept = [] }: RevocationPages): Promise<void> {
    const set = new RevocationSet(this.#lifetimes, expected);
    const loading: Loading = { set, changes: [] };
    for (let start = 0; start < kept.length; start += CHANGES_A_TURN) {
      loading.changes.push({ kind: "revoked", revocations: kept.slice(start, start + CHANGES_A_TURN) });
    }
    this.#loading = loading;
    try {
      for await (const page of pages) {
        await loadPage(set, page);
        if (this.#loading !== loading) return;
      }
      for (let at = 0, count = 0; at < loading.changes.length; at++) {
        const change = loading.changes[at] as RevocationChange;
        applyTo(set, change);
        count += change.kind === "revoked" ? change.revocations.length : change.selectors.length;
        if (count < CHANGES_A_TURN) continue;
        count = 0;
        await nextTurn();
      }
      if (this.#loading === loading) this.#set = set;
    } finally {
      if (this.#loading === loading) this.#loading = undefined;
    }
  }
}

async function loadPage(set: RevocationSet, page: PackedRevocations): Promise<void> {
  const rows = rowsOf(page);
  for (let start = 0; start < rows; start += ROWS_A_TURN) {
    set.load(page, start, Math.min(rows, start + ROWS_A_TURN));
    await nextTurn();
  }
}

function applyTo(set: RevocationSet, change: RevocationChange): void {
  if (change.kind === "revoked") for (const revocation of change.revocations) set.add(revocation);
  else for (const selector of change.selectors) set.remove(selector);
}
