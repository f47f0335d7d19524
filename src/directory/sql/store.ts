import type { Clock } from "../../util/clock.js";
import { DirectoryError } from "../errors.js";
import type { MasterKeys } from "../master-keys.js";
import type { Revocation } from "../revocation.js";
import type { StoreKeys } from "../store-keys.js";
import type { LookedUp } from "./lookups.js";
import type { Engine, Sql } from "./sql.js";
import { loadStoreKeys } from "./store-key-rows.js";

/** What a store needs to know besides its engine. */
export interface StoreSettings {
  readonly masterKeys: MasterKeys;
  /** This machine's clock. */
  readonly clock: Clock;
  /** How many feed rows to keep at least; a follower that is further behind starts again. Default 100,000. */
  readonly feedRetention?: number | undefined;
  /** The most revocations that are accepted. Default 10,000,000. */
  readonly maxRevocations?: number | undefined;
  /** Seconds since 1970 at which a revocation ends by the policy of its realm; null for never, which is the default. */
  readonly endOf?: ((revocation: Revocation) => number | null) | undefined;
}

/** An open store: an engine, and what all statements on it share. */
export interface SqlStore {
  readonly engine: Engine;
  readonly settings: StoreSettings;
  /** Identifies the store's content. */
  readonly id: string;
  /** The keys of the store as they were read last. */
  readonly keys: StoreKeys;
  /** The store's clock in milliseconds since 1970: the database's where it has one, else this machine's. */
  now(): number;
  /** Milliseconds by which this machine's clock is ahead of the store's; 0 as long as that is not known. */
  readonly clockOffset: number;
  /** Notes a reading of the store's clock. @param sent this machine's clock before the statement was sent */
  noteTime(time: number | undefined, sent: number): void;
  /** Reads the keys again if their version is another. */
  refreshKeys(sql: Sql, version: number): Promise<StoreKeys>;
  /** Looks something up under the store's keys, again if they have changed meanwhile. */
  lookUp<Value>(look: (sql: Sql, keys: StoreKeys) => Promise<LookedUp<Value>>): Promise<LookedUp<Value>>;
}

/** Milliseconds for which a measurement of the clocks' offset counts. */
const OFFSET_KEPT = 60_000;

/** Reads what all statements on a store share. @throws SealError for wrong master keys, DirectoryError */
export async function openSqlStore(engine: Engine, settings: StoreSettings): Promise<SqlStore> {
  const { clock, masterKeys } = settings;
  const [made] = await engine.query<{ id: string; movedTo: string | null }>(
    `SELECT store_id AS id, moved_to AS "movedTo" FROM {store} WHERE id = 1`,
  );
  if (made === undefined) throw new DirectoryError("unusable", "The store has lost its row. Restore it from a backup.");
  let { keys, version } = await loadStoreKeys(engine, masterKeys);
  let offsets: readonly { readonly at: number; readonly offset: number; readonly error: number }[] = [];
  // Every verdict asks for it.
  let offset = 0;
  const refreshKeys = async (sql: Sql, current: number): Promise<StoreKeys> => {
    if (current !== version) ({ keys, version } = await loadStoreKeys(sql, masterKeys));
    return keys;
  };
  return {
    engine,
    settings,
    id: made.id,
    get keys() {
      return keys;
    },
    now: () => Math.trunc(clock() - offset),
    get clockOffset() {
      return offset;
    },
    noteTime(time, sent) {
      if (time === undefined) return;
      const now = clock();
      // The answer may have been made at any moment of the round trip, so half of it is the error.
      const measured = { at: now, offset: Math.round((sent + now) / 2 - time), error: (now - sent) / 2 };
      // One that contradicts this one is of before a clock was set.
      const agrees = (one: typeof measured): boolean =>
        Math.abs(one.offset - measured.offset) <= one.error + measured.error + DRIFT;
      const kept = offsets.filter((one) => now - one.at < OFFSET_KEPT && now >= one.at && agrees(one));
      offsets = [...kept, measured].slice(-MAX_OFFSETS);
      ({ offset } = offsets.reduce((best, one) => (one.error < best.error ? one : best)));
    },
    refreshKeys,
    async lookUp(look) {
      const found = await look(engine, keys);
      if (found.keysVersion === version) return found;
      await refreshKeys(engine, found.keysVersion);
      return look(engine, keys);
    },
  };
}

/** Milliseconds by which two clocks drift apart in a minute, with room. */
const DRIFT = 100;
/** Measurements of the offset that are kept. */
const MAX_OFFSETS = 60;
