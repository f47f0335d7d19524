/** A value of a statement. Times and counts are whole numbers below 2^53; JSON is text. */
export type SqlValue = string | number | null | Uint8Array;

/** Runs statements on one connection. */
export interface Sql {
  /**
   * Runs one statement, in the common subset of SQLite and PostgreSQL.
   *
   * @param text names its tables without a schema, as `{users}`, and its values `$1`, `$2`...
   * @returns its rows: int8 as numbers, bytea as Buffers
   * @throws DirectoryError, see {@link Engine}
   */
  query<Row extends object = Record<string, unknown>>(text: string, values?: readonly SqlValue[]): Promise<Row[]>;
}

/** How long a piece of work may take, and what it must not hold up. */
export type Budget =
  /** A change of a few rows: 5 s on PostgreSQL. */
  | "write"
  /** An import, an export, a load of revocations or a migration: 10 min on PostgreSQL, on a connection of its own. */
  | "bulk";

/**
 * A database that holds the directory. Every method rejects with a DirectoryError and with nothing else: `unavailable` for
 * what may pass, `unusable` for what an operator must mend, `unknown-outcome` where a COMMIT may or may not have happened.
 */
export interface Engine extends Sql {
  /** Names the engine in statements that differ, in logs and in docs. */
  readonly dialect: "sqlite" | "postgres";
  /** Where the store is, for operators: a file, or `HOST:PORT/DATABASE`. Never a user or password. */
  readonly place: string;
  /**
   * Runs statements in one transaction that may write: `BEGIN IMMEDIATE` on SQLite, READ COMMITTED on PostgreSQL. The whole
   * work is repeated, at most five times, after a deadlock (40P01) or a serialization failure (40001), so it must have no
   * other effect than its statements.
   */
  transaction<Result>(budget: Budget, work: (sql: Sql) => Promise<Result>): Promise<Result>;
  /** Runs statements that only read, all in one snapshot, on a connection that look-ups do not wait for. */
  snapshot<Result>(budget: Budget, work: (sql: Sql) => Promise<Result>): Promise<Result>;
  /**
   * Runs one statement that yields many rows, page by page, in one snapshot, without holding the process or its memory.
   *
   * @param limit rows a page
   */
  pages<Row extends object>(text: string, values: readonly SqlValue[], limit: number): AsyncIterable<readonly Row[]>;
  /** Releases all connections. */
  close(): Promise<void>;
}
