import { columnsOf, insertRows } from "./json-rows.js";
import { typed } from "./schema.js";
import type { Engine, Sql } from "./sql.js";

// Where an import's entries lie until they are merged: temporary tables, which no other connection sees, and which go with
// the connection or the transaction. state: 0 for a new entry, 1 for one that replaces an entry of the store, 2 for one that
// the store has already.

const TABLES = `
  CREATE TEMP TABLE temp_instances (
    line int NOT NULL,
    id text NOT NULL,
    app_id text NOT NULL,
    -- Its secrets, to be compared as a whole: digest and end of each.
    secrets text NOT NULL,
    state int NOT NULL
  );
  CREATE TEMP TABLE temp_secret_keys (
    line int NOT NULL,
    instance_id text NOT NULL,
    ordinal int NOT NULL,
    digest bytes NOT NULL,
    key_id text NOT NULL,
    id text NOT NULL,
    sealed text NOT NULL,
    created_at int NOT NULL,
    retires_at int
  );
  -- The digests of the same keys under all look-up keys, for the store may hold any of them.
  CREATE TEMP TABLE temp_digests (
    line int NOT NULL,
    instance_id text NOT NULL,
    ordinal int NOT NULL,
    digest bytes NOT NULL
  );
  CREATE TEMP TABLE temp_users (
    line int NOT NULL,
    instance_id text NOT NULL,
    id text NOT NULL,
    email text,
    name text,
    avatar_url text,
    provider text,
    state int NOT NULL
  );
  CREATE TEMP TABLE temp_clients (
    line int NOT NULL,
    id text NOT NULL,
    secrets text NOT NULL,
    state int NOT NULL
  );
  CREATE TEMP TABLE temp_client_secrets (
    client_id text NOT NULL,
    ordinal int NOT NULL,
    id text NOT NULL,
    key_id text NOT NULL,
    digest bytes NOT NULL,
    created_at int NOT NULL,
    retires_at int
  );
  CREATE TEMP TABLE temp_revocations (
    line int NOT NULL,
    key bytes NOT NULL,
    realm text NOT NULL,
    kind text NOT NULL,
    issued_before int,
    exp int,
    -- The revocation and its comment, as JSON.
    revocation text NOT NULL,
    state int NOT NULL
  );`;

const COLUMNS = columnsOf(TABLES);

/** A table of {@link TABLES}, without its prefix. */
export type StagedTable =
  | "instances"
  | "secret_keys"
  | "digests"
  | "users"
  | "clients"
  | "client_secrets"
  | "revocations";

/** Made once the tables are full, which is faster, and after rows that are there twice were found. */
const INDEXES = [
  "CREATE UNIQUE INDEX temp_instances_key ON temp_instances (id)",
  "CREATE UNIQUE INDEX temp_secret_keys_key ON temp_secret_keys (instance_id, ordinal)",
  "CREATE INDEX temp_digests_key ON temp_digests (instance_id, ordinal)",
  "CREATE INDEX temp_digests_digest ON temp_digests (digest)",
  "CREATE UNIQUE INDEX temp_users_key ON temp_users (instance_id, id)",
  "CREATE UNIQUE INDEX temp_clients_key ON temp_clients (id)",
  "CREATE UNIQUE INDEX temp_client_secrets_key ON temp_client_secrets (client_id, ordinal)",
  "CREATE UNIQUE INDEX temp_revocations_key ON temp_revocations (key)",
];

/** Rows and characters of JSON that are written in one statement at most, but for a longer row. */
const [BATCH_ROWS, BATCH_LENGTH] = [1_000, 1_048_576];

/** A row by its columns; bytes in hex digits. */
export type StagedRow = Readonly<Record<string, string | number | null>>;

/** The temporary tables of one import. */
export class StagingTables {
  readonly #sql: Sql;
  readonly #dialect: Engine["dialect"];
  readonly #waiting = new Map<StagedTable, { rows: string[]; length: number }>();

  private constructor(sql: Sql, dialect: Engine["dialect"]) {
    this.#sql = sql;
    this.#dialect = dialect;
  }

  /** Makes the tables, empty. */
  static async make(sql: Sql, dialect: Engine["dialect"]): Promise<StagingTables> {
    // Dropped with the transaction, for PgBouncer hands the connection on after it.
    const end = dialect === "sqlite" ? ")" : ") ON COMMIT DROP";
    for (const text of typed(TABLES, dialect)
      .split(/\n {2}\);/g)
      .slice(0, -1))
      await sql.query(`${text}\n${end}`);
    return new StagingTables(sql, dialect);
  }

  /** Adds a row; it waits in memory for others. */
  async add(table: StagedTable, row: StagedRow): Promise<void> {
    let waiting = this.#waiting.get(table);
    if (waiting === undefined) {
      waiting = { rows: [], length: 0 };
      this.#waiting.set(table, waiting);
    }
    const text = JSON.stringify(row);
    waiting.rows.push(text);
    waiting.length += text.length;
    if (waiting.rows.length >= BATCH_ROWS || waiting.length >= BATCH_LENGTH) await this.#write(table, waiting);
  }

  /** Writes the rows that wait. */
  async flush(): Promise<void> {
    for (const [table, waiting] of this.#waiting) if (waiting.rows.length > 0) await this.#write(table, waiting);
  }

  async #write(table: StagedTable, waiting: { rows: string[]; length: number }): Promise<void> {
    const { rows } = waiting;
    [waiting.rows, waiting.length] = [[], 0];
    const name = `temp_${table}`;
    await this.#sql.query(insertRows(this.#dialect, name, COLUMNS.get(name) ?? {}), [`[${rows.join(",")}]`]);
  }

  /** Makes the tables fast to look up in. */
  async index(): Promise<void> {
    for (const text of INDEXES) await this.#sql.query(text);
    if (this.#dialect === "postgres") for (const name of COLUMNS.keys()) await this.#sql.query(`ANALYZE ${name}`);
  }
}
