import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import Database from "better-sqlite3";
import { DirectoryError } from "../errors.js";
import type { MasterKeys } from "../master-keys.js";
import { masterKeyOf } from "../master-keys.js";
import { APPLICATION_ID, MIGRATIONS } from "./migrations.js";

/** How opening waits for a lock of another process, such as one that is migrating the same file. It waits synchronously. */
export interface OpeningPatience {
  /** Milliseconds after which opening gives up. Default 10,000. */
  readonly timeout?: number;
  /** Is told, once, that there is a lock and for how many milliseconds it will be waited for. */
  readonly onLocked?: (timeout: number) => void;
}

const OPENING_TIMEOUT = 10_000;
/** Milliseconds after which a lock is worth a word. */
const UNREMARKABLE = 250;

/**
 * Opens a store's file: makes it and its folder where they are absent, readable to nobody else, brings its schema up to
 * date and makes sure that the master keys are the right ones.
 *
 * @param busyTimeout milliseconds to wait, synchronously, for a lock
 * @throws DirectoryError, or SQLite's own errors
 */
export function openStore(
  path: string,
  keys: MasterKeys,
  busyTimeout: number,
  { timeout = OPENING_TIMEOUT, onLocked = () => {} }: OpeningPatience = {},
): Database.Database {
  const file = resolve(path);
  makeFile(file);
  const open = (patience: number) => openFile(file, keys, busyTimeout, patience);
  try {
    return open(Math.min(UNREMARKABLE, timeout));
  } catch (error) {
    const isLocked = error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY");
    if (!isLocked || timeout <= UNREMARKABLE) throw error;
    onLocked(timeout);
    return open(timeout);
  }
}

function openFile(file: string, keys: MasterKeys, busyTimeout: number, timeout: number): Database.Database {
  const db = new Database(file, { timeout, fileMustExist: true });
  try {
    checkFile(db, file);
    db.pragma("journal_mode = WAL");
    // A revocation that was acknowledged must survive power loss: NORMAL would leave the last commits to the disk's cache.
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
    // SQLite gives its -wal and -shm files the same mode.
    if (!existsSync(file)) closeSync(openSync(file, "a", 0o600));
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    // Rights do not come back by themselves, as space on a disk may.
    const kind = code === "EACCES" || code === "EPERM" || code === "EROFS" ? "unusable" : "unavailable";
    throw new DirectoryError(kind, `The store ${file} cannot be made (${code}). See that its folder may be written.`);
  }
}

/** Before anything is written: the file must be a new one or ours, and of no later version. @throws DirectoryError */
export function checkFile(db: Database.Database, file: string): void {
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
    // Read again under the lock: another process may have migrated in between.
    for (const migration of MIGRATIONS.slice(checkVersion(db, file))) db.exec(migration);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${MIGRATIONS.length}`);
  });
  run.immediate();
}

/**
 * Lets the current master key into the store's list and drops from it those that are configured no more and needed no
 * more. One that is still needed, or a store that knows none of the configured ones, is an error: a wrong master key
 * must not turn everybody into a stranger.
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
    const strangers = ids.filter((id) => !keys.byId.has(id));
    const [stranger] = strangers;
    if (stranger !== undefined && strangers.length === ids.length) masterKeyOf(keys, stranger);
    for (const id of strangers) {
      if (drop.run(id).changes === 0) masterKeyOf(keys, id);
    }
    add.run(keys.current.id);
  });
  const ids = known.all();
  // Most openings change nothing, and need no lock for it.
  if (!ids.includes(keys.current.id) || ids.some((id) => !keys.byId.has(id))) run.immediate();
}
