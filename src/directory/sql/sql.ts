/** A value of a statement. Times and counts are whole numbers below 2^53; JSON is text. */
export type SqlValue = string | number | null | Uint8Array;

/** Runs statements. */
export interface Sql {
  /**
   * Runs one statement in the common subset of SQLite and PostgreSQL. A single statement is one snapshot.
   *
   * @param text with its tables as `{users}`, and its values as `$1`, `$2`...
   * @returns its rows: whole numbers as numbers, bytes as Buffers
   * @throws DirectoryError, see {@link Engine}
   */
  readonly query: <Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly SqlValue[],
  ) => Promise<Row[]>;
}

/** A connection for one long piece of work, which holds up no look-up: up to 10 min on PostgreSQL. */
export interface Connection extends Sql {
  /** Runs statements in one transaction that may write, as {@link Engine.transaction} does, without repeating them. */
  write<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
  /** Runs statements that only read, all in one snapshot. */
  snapshot<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

/** The connection on which the feed is polled. */
export interface FeedConnection extends Sql {
  /** Milliseconds from one poll to the next: short where no notification of a commit arrives. */
  readonly interval: number;
  /** Whether notifications of commits arrive; undefined for an engine that has none. */
  readonly notified: boolean | undefined;
  /** Calls a listener when a commit is notified. */
  onNotification(listener: () => void): void;
}

/**
 * A database that holds the directory. Every method rejects with a DirectoryError and with nothing else: `unavailable` for
 * what may pass, `unusable` for what an operator must mend, `unknown-outcome` where a COMMIT may or may not have happened.
 */
export interface Engine extends Sql {
  /** Names the engine in statements that differ between the two. */
  readonly dialect: "sqlite" | "postgres";
  /** Where the store is, for operators: a file, or `HOST:PORT/DATABASE`. Never a user or a password. */
  readonly place: string;
  readonly feed: FeedConnection;
  /**
   * Runs statements in one transaction that may write: `BEGIN IMMEDIATE` on SQLite, READ COMMITTED on PostgreSQL, within 5 s.
   * The work is repeated, at most five times, after a deadlock or a serialization failure, so it must have no other effect
   * than its statements. The last of them on PostgreSQL is to raise the head of the feed, whose row it locks.
   */
  transaction<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
  /** Opens another connection. */
  connect(): Promise<Connection>;
  /** Releases all connections. Further calls reject as `unavailable`. */
  close(): Promise<void>;
}
