import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import type { MasterKeys } from "../master-keys.js";
import { masterKeyOf } from "../master-keys.js";
import { checkFile } from "./open.js";

/** Milliseconds that a lock is waited for; who only reads meets one while another process migrates the store. */
const PATIENCE = 10_000;

/**
 * Opens a store's file to read it, and makes sure that the master keys are the right ones. The connection cannot write:
 * no schema is brought up to date, and no master key is let in or dropped. Where no other process has the store open,
 * SQLite leaves its `-wal` and `-shm` files beside it, empty.
 *
 * @returns undefined where there is no such file, or one that was made and not yet filled
 * @throws DirectoryError as opening it to write would, or SQLite's own errors
 */
export function openToRead(path: string, keys: MasterKeys): Database.Database | undefined {
  if (!existsSync(path)) return undefined;
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: PATIENCE });
  try {
    checkFile(db, path);
    if (db.pragma("user_version", { simple: true }) === 0) {
      db.close();
      return undefined;
    }
    const known = checkKeys(db, keys);
    // Of this connection alone, and before the store's own: what opening it to write would have changed.
    db.exec("CREATE TEMP TABLE master_keys (id TEXT PRIMARY KEY)");
    const add = db.prepare("INSERT INTO temp.master_keys (id) VALUES (?)");
    for (const id of known) add.run(id);
    if (!hasKeySets(db)) {
      db.exec("CREATE TEMP TABLE key_sets (realm TEXT, location TEXT, sealed TEXT, PRIMARY KEY (realm, location))");
    }
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The ids of the store's master keys, without those that are configured no more and needed no more. @throws DirectoryError */
function checkKeys(db: Database.Database, keys: MasterKeys): readonly string[] {
  const ids = db.prepare<[], string>("SELECT id FROM master_keys").pluck().all();
  const needed = db
    .prepare<[], string>("SELECT key_id FROM secret_keys UNION SELECT key_id FROM clients")
    .pluck()
    .all();
  const isStrange = (id: string): boolean => !keys.byId.has(id);
  const stranger = needed.find(isStrange) ?? (ids.every(isStrange) ? ids[0] : undefined);
  if (stranger !== undefined) masterKeyOf(keys, stranger);
  return ids.filter((id) => !isStrange(id));
}

/** Not so in a store of the version before that nobody has opened since. */
function hasKeySets(db: Database.Database): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'key_sets'").get() !== undefined;
}
