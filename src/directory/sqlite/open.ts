import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import Database from "better-sqlite3";
import { DirectoryError } from "../errors.js";
import type { MasterKeys } from "../master-keys.js";
import { masterKeyOf } from "../master-keys.js";
import { APPLICATION_ID, MIGRATIONS } from "./migrations.js";

/** How opening waits, synchronously, for the lock of another process, such as one that migrates the same file. */
export interface OpeningOptions {
  /** Milliseconds after which opening gives up. Default 10,000. */
  readonly timeout?: number;
  /** Called once if there is a lock. @param timeout how many milliseconds opening will wait for it */
  readonly onLocked?: (timeout: number) => void;
}

const OPENING_TIMEOUT = 10_000;
/** Milliseconds of waiting for a lock before it is reported. */
const QUIET_WAIT = 250;

/**
 * Opens a store's file to write: makes it and its folder if they do not exist, readable by this user alone, migrates its
 * schema and checks the master keys.
 *
 * @param busyTimeout milliseconds to wait, synchronously, for a lock once the file is open
 * @throws DirectoryError, or SQLite's own errors
 */
export function openToWrite(
  path: string,
  keys: MasterKeys,
  busyTimeout: number,
  { timeout = OPENING_TIMEOUT, onLocked = () => {} }: OpeningOptions = {},
): Database.Database {
  const file = resolve(path);
  makeFile(file);
  const open = (wait: number) => openFile(file, keys, busyTimeout, wait);
  try {
    return open(Math.min(QUIET_WAIT, timeout));
  } catch (error) {
    const isLocked = error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY");
    if (!isLocked || timeout <= QUIET_WAIT) throw error;
    onLocked(timeout);
    return open(timeout);
  }
}

function openFile(file: string, keys: MasterKeys, busyTimeout: number, timeout: number): Database.Database {
  const db = new Database(file, { timeout, fileMustExist: true });
  try {
    checkFile(db, file);
    db.pragma("journal_mode = WAL");
    // An acknowledged revocation must survive power loss: NORMAL would leave the last commits in the disk's cache.
    db.pragma("synchronous = FULL");
    db.pragma("foreign_keys = ON");
    db.pragma("trusted_schema = OFF");
    migrate(db, file);
    admitKeys(db, keys);
    db.pragma(`busy_timeout = ${Math.trunc(busyTimeout)}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function makeFile(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // SQLite gives the -wal and -shm files the mode of the database.
    if (!existsSync(file)) closeSync(openSync(file, "a", 0o600));
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    // Permissions do not return by themselves, as disk space may.
    const kind = code === "EACCES" || code === "EPERM" || code === "EROFS" ? "unusable" : "unavailable";
    throw new DirectoryError(kind, `The store ${file} cannot be made (${code}). See that its folder may be written.`);
  }
}

/** Refuses another program's file, and the store of a later version. @throws DirectoryError */
function checkFile(db: Database.Database, file: string): void {
  const tables = db.prepare<[], number>("SELECT count(*) FROM sqlite_schema").pluck().get() ?? 0;
  if (tables > 0 && db.pragma("application_id", { simple: true }) !== APPLICATION_ID) {
    throw new DirectoryError("unusable", `The file ${file} is another program's database. Name another file as store.`);
  }
  checkVersion(db, file);
}

function checkVersion(db: Database.Database, file: string): number {
  const version = db.pragma("user_version", { simple: true }) as number;
  if (version > MIGRATIONS.length) {
    throw new DirectoryError(
      "unusable",
      `The store ${file} is of version ${version}; this program knows versions up to ${MIGRATIONS.length}. ` +
        "Run the newer program, or restore a backup from before it.",
    );
  }
  return version;
}

function migrate(db: Database.Database, file: string): void {
  if (checkVersion(db, file) === MIGRATIONS.length) return;
  const run = db.transaction(() => {
    // Checked again under the lock, for another process may have migrated in between.
    for (const migration of MIGRATIONS.slice(checkVersion(db, file))) db.exec(migration);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${MIGRATIONS.length}`);
  });
  run.immediate();
}

/**
 * Adds the current master key to the store's list, and drops keys from it that are neither configured nor needed. Throws
 * for a needed key that is not configured, and for a store that knows none of the configured keys: under a wrong master
 * key no caller would be found, and all would be refused.
 */
function admitKeys(db: Database.Database, keys: MasterKeys): void {
  const known = db.prepare<[], string>("SELECT id FROM master_keys").pluck();
  const add = db.prepare("INSERT OR IGNORE INTO master_keys (id) VALUES (?)");
  const drop = db.prepare<[string]>(`
    DELETE FROM master_keys AS m WHERE id = ?
      AND NOT EXISTS (SELECT 1 FROM secret_keys WHERE key_id = m.id)
      AND NOT EXISTS (SELECT 1 FROM clients WHERE key_id = m.id)`);
  const run = db.transaction(() => {
    const ids = known.all();
    const unknown = ids.filter((id) => !keys.byId.has(id));
    const [first] = unknown;
    if (first !== undefined && unknown.length === ids.length) masterKeyOf(keys, first);
    for (const id of unknown) {
      if (drop.run(id).changes === 0) masterKeyOf(keys, id);
    }
    add.run(keys.current.id);
  });
  const ids = known.all();
  // Most openings change nothing, and so take no lock.
  if (!ids.includes(keys.current.id) || ids.some((id) => !keys.byId.has(id))) run.immediate();
}

/**
 * Opens a store's file to read it, and checks the master keys. The connection cannot write: it migrates no schema, and
 * admits and drops no master key. If no other process has the store open, SQLite leaves empty `-wal` and `-shm` files
 * beside it.
 *
 * @returns undefined if there is no such file, or one that was made and not yet filled
 * @throws DirectoryError as {@link openToWrite}, or SQLite's own errors
 */
export function openToRead(path: string, keys: MasterKeys): Database.Database | undefined {
  if (!existsSync(path)) return undefined;
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: OPENING_TIMEOUT });
  try {
    checkFile(db, path);
    if (db.pragma("user_version", { simple: true }) === 0) {
      db.close();
      return undefined;
    }
    const known = checkKeys(db, keys);
    // Temporary tables, which hide the store's own, stand for what opening it to write would have changed.
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

/** The ids of the store's configured master keys. @throws DirectoryError if a needed one, or every one, is not configured */
function checkKeys(db: Database.Database, keys: MasterKeys): readonly string[] {
  const ids = db.prepare<[], string>("SELECT id FROM master_keys").pluck().all();
  const needed = db
    .prepare<[], string>("SELECT key_id FROM secret_keys UNION SELECT key_id FROM clients")
    .pluck()
    .all();
  const isUnknown = (id: string): boolean => !keys.byId.has(id);
  const unknown = needed.find(isUnknown) ?? (ids.every(isUnknown) ? ids[0] : undefined);
  if (unknown !== undefined) masterKeyOf(keys, unknown);
  return ids.filter((id) => !isUnknown(id));
}

/** False in a store of version 1 that was not opened to write since. */
function hasKeySets(db: Database.Database): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'key_sets'").get() !== undefined;
}
