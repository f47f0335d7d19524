import { SealError } from "../errors.js";
import { type MasterKeys, missingMasterKey } from "../master-keys.js";
import {
  drawStoreKey,
  type KeyPurpose,
  type NewStoreKey,
  type StoreKeys,
  storeKeys,
  unwrapStoreKey,
  wrapStoreKey,
} from "../store-keys.js";
import type { Sql } from "./sql.js";

/** The keys of a store, and the version of the table that they were read from. */
export interface LoadedKeys {
  readonly keys: StoreKeys;
  readonly version: number;
}

interface KeyRow {
  readonly version: number;
  readonly id: string | null;
  readonly purpose: KeyPurpose;
  readonly masterId: string | null;
  readonly sealed: string;
}

/** The keys of a store, the newest first, and the ids of the master keys that each is sealed under, by its id. */
export interface OpenedKeys {
  readonly keys: readonly NewStoreKey[];
  readonly copies: ReadonlyMap<string, ReadonlySet<string>>;
  readonly version: number;
}

/**
 * Reads the keys of a store, and opens each with whichever master key does.
 *
 * @throws SealError if no configured master key opens one of them
 */
export async function openStoreKeys(sql: Sql, masterKeys: MasterKeys): Promise<OpenedKeys> {
  const rows = await sql.query<KeyRow>(`
    SELECT h.keys_version AS version, k.id, k.purpose, w.master_id AS "masterId", w.sealed
    FROM {feed_head} h LEFT JOIN {store_keys} k ON 1 = 1 LEFT JOIN {wrapped_keys} w ON w.key_id = k.id
    WHERE h.id = 1 ORDER BY k.created_at DESC, k.id, w.master_id`);
  const opened = new Map<string, NewStoreKey>();
  const copies = new Map<string, Set<string>>();
  for (const { id, purpose, masterId, sealed } of rows) {
    if (id === null) continue;
    const masters = copies.get(id) ?? new Set();
    copies.set(id, masters);
    if (masterId === null) continue;
    masters.add(masterId);
    if (opened.has(id) || !masterKeys.byId.has(masterId)) continue;
    opened.set(id, { purpose, ...unwrapStoreKey(masterKeys, masterId, id, sealed) });
  }
  for (const [id, masters] of copies) if (!opened.has(id)) throw missingMasterKey(masterKeys, [...masters]);
  if (opened.size === 0) throw new SealError(undefined, "The store has lost its keys. Restore it from a backup.");
  return { keys: [...opened.values()], copies, version: rows[0]?.version ?? 0 };
}

/** Reads the keys of a store as its values need them. @throws SealError as {@link openStoreKeys} */
export async function loadStoreKeys(sql: Sql, masterKeys: MasterKeys): Promise<LoadedKeys> {
  const { keys, version } = await openStoreKeys(sql, masterKeys);
  return { keys: storeKeys(keys), version };
}

/** Gives a new store a look-up key and a sealing key, which every configured master key opens. */
export async function makeStoreKeys(sql: Sql, masterKeys: MasterKeys, now: number): Promise<void> {
  for (const purpose of ["lookup", "seal"] as const) await addStoreKey(sql, masterKeys, drawStoreKey(purpose), now);
}

/** Adds a key to a store, sealed under every configured master key. It becomes the one for new values of its purpose. */
export async function addStoreKey(sql: Sql, masterKeys: MasterKeys, key: NewStoreKey, now: number): Promise<void> {
  await sql.query(`INSERT INTO {store_keys} (id, purpose, created_at) VALUES ($1, $2, $3)`, [key.id, key.purpose, now]);
  for (const master of masterKeys.all) {
    await sql.query(`INSERT INTO {wrapped_keys} (key_id, master_id, sealed) VALUES ($1, $2, $3)`, [
      key.id,
      master.id,
      wrapStoreKey(master, key),
    ]);
  }
}
