import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import Database from "better-sqlite3";
import { DirectoryError } from "../errors.js";
import { SCHEMA_VERSION } from "../sql/schema.js";
import { APPLICATION_ID, type MigrationContext, migrateFrom } from "./migrations.js";

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
 * schema.
 *
 * @param busyTimeout milliseconds to wait, synchronously, for a lock once the file is open
 * @throws DirectoryError, or SQLite's own errors
 */
export function openToWrite(
  path: string,
  context: MigrationContext,
  busyTimeout: number,
  { timeout = OPENING_TIMEOUT, onLocked = () => {} }: OpeningOptions = {},
): Database.Database {
  const file = resolve(path);
  makeFile(file);
  const open = (wait: number) => openFile(file, context, busyTimeout, wait);
  try {
    return open(Math.min(QUIET_WAIT, timeout));
  } catch (error) {
    const isLocked = error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY");
    if (!isLocked || timeout <= QUIET_WAIT) throw error;
    onLocked(timeout);
    return open(timeout);
  }
}

function openFile(file: string, context: MigrationContext, busyTimeout: number, timeout: number): Database.Database {
  const db = new Database(file, { timeout, fileMustExist: true });
  try {
    checkFile(db, file);
    db.pragma("journal_mode = WAL");
    // An acknowledged revocation must survive power loss: NORMAL would leave the last commits in the disk's cache.
    db.pragma("synchronous = FULL");
    db.pragma("foreign_keys = ON");
    db.pragma("trusted_schema = OFF");
    migrate(db, file, context);
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
  if (version > SCHEMA_VERSION) {
    throw new DirectoryError(
      "unusable",
      `The store ${file} is of version ${version}; this program knows versions up to ${SCHEMA_VERSION}. ` +
        "Run the newer program, or restore a backup from before it.",
    );
  }
  return version;
}

/** The version of the schema of a store's file; undefined if there is no file. */
export function sqliteVersion(path: string): number | undefined {
  if (!existsSync(path)) return undefined;
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: OPENING_TIMEOUT });
  try {
    return db.pragma("user_version", { simple: true }) as number;
  } finally {
    db.close();
  }
}

function migrate(db: Database.Database, file: string, context: MigrationContext): void {
  if (checkVersion(db, file) === SCHEMA_VERSION) return;
  const run = db.transaction(() => {
    // Checked again under the lock, for another process may have migrated in between.
    migrateFrom(db, checkVersion(db, file), context);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  });
  run.immediate();
}

/**
 * Opens a store's file to read it. The connection cannot write, and migrates no schema. If no other process has the store
 * open, SQLite leaves empty `-wal` and `-shm` files beside it.
 *
 * @returns undefined if there is no such file, or one that was made and not yet filled
 * @throws DirectoryError as {@link openToWrite}, or for the store of an earlier version; or SQLite's own errors
 */
export function openToRead(path: string): Database.Database | undefined {
  if (!existsSync(path)) return undefined;
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: OPENING_TIMEOUT });
  try {
    checkFile(db, path);
    const version = checkVersion(db, path);
    if (version === SCHEMA_VERSION) return db;
    db.close();
    if (version === 0) return undefined;
  } catch (error) {
    db.close();
    throw error;
  }
  throw new DirectoryError(
    "unusable",
    `The store ${path} was written by an earlier version. Start the service once, or run \`token-verifier store migrate\`, to bring it up to date.`,
  );
}
