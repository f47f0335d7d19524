import { DirectoryError } from "../errors.js";
import type { AuditSubject } from "../operator-commands.js";
import { drawStoreKey, type NewStoreKey, wrapStoreKey } from "../store-keys.js";
import { record } from "./head.js";
import { listReplicas } from "./replicas.js";
import type { Sql } from "./sql.js";
import type { SqlStore } from "./store.js";
import { addStoreKey, type OpenedKeys, openStoreKeys } from "./store-key-rows.js";
import { beginWriting } from "./write.js";

// Changes to the keys of a store. Each is one short transaction under the write lock, which raises the version of the keys,
// so that every replica reads them again before it uses them. No start of a process removes a row.

/** What {@link rekey} did. */
export interface RekeyReport {
  /** The ids of the master keys that open the store now and did not before. */
  readonly added: readonly string[];
  /** The ids of all master keys that open the store. */
  readonly masterKeys: readonly string[];
}

/** Seals the keys of a store under every configured master key that does not open all of them yet. */
export async function rekey(store: SqlStore, actor: string): Promise<RekeyReport> {
  const { masterKeys } = store.settings;
  return changeKeys(store, actor, async (sql, { keys, copies }) => {
    const added = masterKeys.all.filter(({ id }) => keys.some((key) => !copies.get(key.id)?.has(id)));
    for (const master of added) {
      for (const key of keys.filter(({ id }) => !copies.get(id)?.has(master.id))) {
        await sql.query(`INSERT INTO {wrapped_keys} (key_id, master_id, sealed) VALUES ($1, $2, $3)`, [
          key.id,
          master.id,
          wrapStoreKey(master, key),
        ]);
      }
    }
    const ids = added.map(({ id }) => id);
    const all = [...new Set([...ids, ...openingKeys({ keys, copies })])].sort();
    return { result: { added: ids, masterKeys: all }, audit: ids.length > 0 ? { added: ids } : undefined };
  });
}

/**
 * Removes the copies of a store's keys under a master key.
 *
 * @throws DirectoryError `not-found` if there are none; `conflict` where this configuration or a replica that reported within
 * 10 minutes could not open the store without them
 */
export async function dropMasterKey(store: SqlStore, masterId: string, actor: string): Promise<void> {
  const { masterKeys } = store.settings;
  await changeKeys(store, actor, async (sql, opened) => {
    if (![...opened.copies.values()].some((masters) => masters.has(masterId))) {
      throw new DirectoryError(
        "not-found",
        `No key of the store is sealed under the master key ${masterId}. It opens under: ${openingKeys(opened).join(", ")}.`,
      );
    }
    const left = openingKeys(opened).filter((id) => id !== masterId);
    const isOpen = (ids: readonly string[]): boolean => ids.some((id) => left.includes(id));
    if (left.length === 0) {
      throw conflict(`The master key ${masterId} is the only one that opens the store`, "run `store rekey`");
    }
    if (!isOpen([...masterKeys.byId.keys()])) {
      throw conflict(
        `This configuration opens the store under the master key ${masterId} alone`,
        "use one that does not",
      );
    }
    for (const { id, keys } of await listReplicas(sql, store.now())) {
      if (keys.includes(masterId) && !isOpen(keys)) {
        throw conflict(
          `The replica ${id} opens the store under the master key ${masterId} alone`,
          "wait 10 minutes if it has ended",
        );
      }
    }
    await sql.query(`DELETE FROM {wrapped_keys} WHERE master_id = $1`, [masterId]);
    return { result: undefined, audit: { dropped: masterId } };
  });
}

const conflict = (what: string, last: string): DirectoryError =>
  new DirectoryError(
    "conflict",
    `${what}. Add the new key to masterKeys everywhere, then ${last}, then drop the old one.`,
  );

/** The ids of the keys that new values get, drawn now unless an earlier change of keys is unfinished. */
export interface CurrentKeys {
  readonly lookup: string;
  readonly seal: string;
  /** True if any of them was drawn now. */
  readonly isNew: boolean;
}

/**
 * Draws a sealing key and a look-up key for new values. While values of a purpose are still under an older key, no other is
 * drawn for it.
 */
export async function drawKeys(store: SqlStore, actor: string): Promise<CurrentKeys> {
  return changeKeys(store, actor, async (sql, { keys }) => {
    const ids: Record<string, string> = {};
    const drawn: string[] = [];
    for (const purpose of ["lookup", "seal"] as const) {
      const all = keys.filter((key) => key.purpose === purpose);
      if (all.length > 1) {
        ids[purpose] = all[0]?.id ?? "";
        continue;
      }
      const key = drawStoreKey(purpose);
      await addStoreKey(sql, store.settings.masterKeys, key, await afterNewest(sql, store.now()));
      ids[purpose] = key.id;
      drawn.push(key.id);
    }
    const result = { lookup: ids["lookup"] ?? "", seal: ids["seal"] ?? "", isNew: drawn.length > 0 };
    return { result, audit: drawn.length > 0 ? { drawn } : undefined };
  });
}

/** A time for a new key: the newest counts, whatever another machine's clock said when it made one. */
async function afterNewest(sql: Sql, now: number): Promise<number> {
  const [row] = await sql.query<{ newest: number | null }>(`SELECT max(created_at) AS newest FROM {store_keys}`);
  return Math.max(now, (row?.newest ?? 0) + 1);
}

/** Removes keys that nothing needs any more. @param removable the ids to remove */
export async function removeStoreKeys(
  store: SqlStore,
  actor: string,
  removable: (sql: Sql, keys: readonly NewStoreKey[]) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  return changeKeys(store, actor, async (sql, { keys }) => {
    const removed = await removable(sql, keys);
    for (const id of removed) await sql.query(`DELETE FROM {store_keys} WHERE id = $1`, [id]);
    return { result: removed, audit: removed.length > 0 ? { removed } : undefined };
  });
}

/** The ids of the master keys each of which opens every key of the store. */
function openingKeys({ keys, copies }: Pick<OpenedKeys, "keys" | "copies">): readonly string[] {
  const masters = new Set([...copies.values()].flatMap((ids) => [...ids]));
  return [...masters].filter((id) => keys.every((key) => copies.get(key.id)?.has(id))).sort();
}

/** Changes the keys of a store in one transaction. @param work returns the audit's subject; undefined if it changed nothing */
function changeKeys<Result>(
  store: SqlStore,
  actor: string,
  work: (
    sql: Sql,
    opened: OpenedKeys,
  ) => Promise<{ readonly result: Result; readonly audit: AuditSubject | undefined }>,
): Promise<Result> {
  const { engine, settings } = store;
  return engine.transaction(async (sql) => {
    await beginWriting(store, sql, true);
    const { result, audit } = await work(sql, await openStoreKeys(sql, settings.masterKeys));
    if (audit !== undefined) {
      const row = { actor, requestId: null, command: "rekey", subject: audit, outcome: "done" };
      await record(sql, engine.dialect, { touched: [], audit: [row], at: store.now(), keysChanged: true });
    }
    return result;
  });
}
