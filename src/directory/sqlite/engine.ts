import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { Database, Statement } from "better-sqlite3";
import { DirectoryError } from "../errors.js";
import type { Connection, Engine, Sql, SqlValue } from "../sql/sql.js";
import { directoryError, guarded } from "./errors.js";

/** Milliseconds between two polls of the feed: a poll takes a few microseconds. */
const POLL_INTERVAL = 50;

/** What an engine on an open file needs. */
export interface SqliteEngineOptions {
  readonly path: string;
  /** Opens a connection to the file. */
  readonly connect: () => Database;
  /** False if the file was opened for reading only. */
  readonly writable: boolean;
}

/**
 * An engine on one SQLite file, shared by the processes of one machine. Statements run synchronously, so a transaction holds
 * up everything else in the process; other work of the same process sees none of it before it is committed.
 */
export function sqliteEngine({ path, connect, writable }: SqliteEngineOptions): Engine {
  const reader = guarded(connect);
  let writer: Database | undefined;
  const { writing, leave } = writersOf(path);
  const checkSame = sameFile(path);
  const query = sqlOn(reader).query;
  return {
    dialect: "sqlite",
    place: path,
    query,
    feed: {
      query: async (text, values) => {
        guarded(checkSame);
        return query(text, values);
      },
      interval: POLL_INTERVAL,
      notified: undefined,
      onNotification: () => {},
    },
    transaction: (work) =>
      writing(async () => {
        if (!reader.open) throw new DirectoryError("unavailable", CLOSED);
        if (!writable) throw new DirectoryError("unusable", "The store was opened for reading only.");
        writer ??= guarded(connect);
        return within(writer, "BEGIN IMMEDIATE", work);
      }),
    connect: async () => {
      guarded(checkSame);
      return connectionOn(guarded(connect), writing);
    },
    close: () =>
      writing(async () => {
        if (!reader.open) return;
        writer?.close();
        reader.close();
        leave();
      }),
  };
}

const CLOSED = "The store is closed. Open it again.";

function connectionOn(db: Database, writing: Serially): Connection {
  const sql = sqlOn(db);
  return {
    query: sql.query,
    write: (work) => writing(() => within(db, "BEGIN IMMEDIATE", work)),
    snapshot: (work) => within(db, "BEGIN", work),
    close: async () => void db.close(),
  };
}

type Serially = <Result>(work: () => Promise<Result>) => Promise<Result>;

const writers = new Map<string, { readonly writing: Serially; users: number }>();

/**
 * The queue of this process's transactions on a file. SQLite waits for a lock synchronously, so one connection would wait in
 * vain for another of the same process.
 */
function writersOf(path: string): { readonly writing: Serially; readonly leave: () => void } {
  const file = resolve(path);
  const queue = writers.get(file) ?? { writing: serially(), users: 0 };
  queue.users += 1;
  writers.set(file, queue);
  const leave = (): void => {
    queue.users -= 1;
    if (queue.users === 0) writers.delete(file);
  };
  return { writing: queue.writing, leave };
}

/** Runs one piece of work after the other. */
function serially(): Serially {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
}

async function within<Result>(db: Database, begin: string, work: (sql: Sql) => Promise<Result>): Promise<Result> {
  guarded(() => db.exec(begin));
  try {
    const result = await work(sqlOn(db));
    guarded(() => db.exec("COMMIT"));
    return result;
  } catch (error) {
    // SQLite has rolled back by itself after some errors.
    if (db.open && db.inTransaction) db.exec("ROLLBACK");
    throw directoryError(error);
  }
}

const prepared = new WeakMap<Database, Map<string, Statement>>();

/** Statements on a connection. Each text is prepared once, so texts are constants, and values are never in them. */
function sqlOn(db: Database): Sql {
  const statements = prepared.get(db) ?? new Map<string, Statement>();
  prepared.set(db, statements);
  return {
    async query<Row extends object>(text: string, values: readonly SqlValue[] = []): Promise<Row[]> {
      return guarded(() => {
        let statement = statements.get(text);
        if (statement === undefined) {
          statement = db.prepare(text.replace(/\{(\w+)\}/g, "$1"));
          statements.set(text, statement);
        }
        const named = Object.fromEntries(values.map((value, index) => [index + 1, value]));
        const parameters = values.length === 0 ? [] : [named];
        if (statement.reader) return statement.all(...parameters) as Row[];
        statement.run(...parameters);
        return [];
      });
    },
  };
}

/**
 * Makes a check that the store's file is still the one that was opened. If another was moved into its place, SQLite would
 * go on reading the old file, and revocations in the new one would be missed.
 */
function sameFile(path: string): () => void {
  const opened = statSync(path);
  return () => {
    const now = statSync(path, { throwIfNoEntry: false });
    if (now?.ino === opened.ino && now.dev === opened.dev) return;
    throw new DirectoryError("unavailable", now === undefined ? removed(path) : replaced(path));
  };
}

// A restart alone would load the seed again: removed callers would return, and all revocations would be lost.
const removed = (path: string): string =>
  `The store ${path} was removed while it was in use. Stop the service, restore a backup, and start it. ` +
  "A start without the backup loads the seed again and forgets all later changes, revocations too.";

const replaced = (path: string): string =>
  `The store ${path} was replaced while it was in use. Check that it is now the right file, then restart the ` +
  "service: what that file lacks is forgotten, revocations too.";
