import { openSqlStore, type SqlStore, type StoreSettings } from "../sql/store.js";
import { sqliteEngine } from "./engine.js";
import { directoryError, guarded } from "./errors.js";
import { type OpeningOptions, openToRead, openToWrite } from "./open.js";

/** What opening a SQLite store needs. */
export interface SqliteOptions extends StoreSettings {
  /** The store's file. It is made, with its folder, if it does not exist. */
  readonly path: string;
  /** Milliseconds to wait for another process's lock. SQLite waits synchronously, so the whole process does. Default 250. */
  readonly busyTimeout?: number | undefined;
  /** How long opening waits for a lock. */
  readonly opening?: OpeningOptions | undefined;
}

/**
 * Opens the embedded store: one SQLite file, shared by the processes of one machine.
 *
 * @throws DirectoryError `unusable` for wrong master keys, a foreign file or the store of a later version; `unavailable`
 * if the file cannot be reached
 */
export async function openSqliteStore(options: SqliteOptions): Promise<SqlStore> {
  const { path, busyTimeout = 250, opening, masterKeys, clock } = options;
  const context = { masterKeys, now: Math.trunc(clock()) };
  const connect = () => openToWrite(path, context, busyTimeout, opening);
  return withEngine(
    guarded(() => sqliteEngine({ path, connect, writable: true })),
    options,
  );
}

/**
 * Opens the embedded store to read it. Nothing is written, and every change is refused.
 *
 * @returns undefined if there is no such file, or one that was made and not yet filled
 * @throws DirectoryError as {@link openSqliteStore}
 */
export async function readSqliteStore(
  options: StoreSettings & { readonly path: string },
): Promise<SqlStore | undefined> {
  const { path } = options;
  const first = guarded(() => openToRead(path));
  if (first === undefined) return undefined;
  let next: typeof first | undefined = first;
  const connect = () => {
    const db = next ?? openToRead(path) ?? first;
    next = undefined;
    return db;
  };
  return withEngine(
    guarded(() => sqliteEngine({ path, connect, writable: false })),
    options,
  );
}

async function withEngine(engine: ReturnType<typeof sqliteEngine>, settings: StoreSettings): Promise<SqlStore> {
  try {
    return await openSqlStore(engine, settings);
  } catch (error) {
    await engine.close();
    throw directoryError(error);
  }
}
