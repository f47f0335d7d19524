import { createHash } from "node:crypto";
import { DirectoryError } from "../errors.js";
import { type Columns, columnsOf, insertRows } from "../sql/json-rows.js";
import { theRow } from "../sql/lookups.js";
import { TABLES } from "../sql/schema.js";
import type { Sql, SqlValue } from "../sql/sql.js";
import type { SqlStore } from "../sql/store.js";

// A whole store in another place, row by row as it is: entries, revocations, audit with its hashes, saved key sets, and keys
// as they are wrapped.

const COLUMNS = columnsOf(TABLES);

/** A table that is copied, and the columns by which its rows are read in order. */
interface CopiedTable {
  readonly table: string;
  readonly key: readonly string[];
  /** Which rows; default all. */
  readonly where?: string;
}

/** All tables but the lock and the replicas, those that others refer to first. */
const COPIED: readonly CopiedTable[] = [
  { table: "store_keys", key: ["id"] },
  { table: "wrapped_keys", key: ["key_id", "master_id"] },
  { table: "instances", key: ["id"] },
  { table: "secret_keys", key: ["digest"] },
  { table: "users", key: ["instance_id", "id"] },
  { table: "clients", key: ["id"] },
  { table: "client_secrets", key: ["client_id", "ordinal"] },
  { table: "revoked_realms", key: ["number"] },
  { table: "revocations", key: ["key"] },
  { table: "audit", key: ["id"] },
  { table: "requests", key: ["id"] },
  { table: "key_sets", key: ["realm", "location"] },
  { table: "feed_head", key: ["id"] },
  // A follower that has read everything goes on in the copy from where it was; any other starts again.
  { table: "feed", key: ["number"], where: "number = (SELECT number FROM {feed_head} WHERE id = 1)" },
  { table: "store", key: ["id"] },
];

/** Rows that are read and written at a time. */
const PAGE = 1_000;

/** The rows that were copied, by table. */
export type CopyReport = Readonly<Record<string, number>>;

/**
 * Copies a store into an empty one, and marks it as moved: what has it open then serves nothing, and names the new one. The
 * source takes no change meanwhile. The copy is one transaction, read again and compared before it is committed; the source
 * is marked after that. If the process ends in between, copying again finds the complete copy and only marks the source.
 *
 * @returns the number of rows of each table
 * @throws DirectoryError `conflict` for a target that is not empty, or is the source; `unusable` for a source that moved
 */
export async function copyStore(from: SqlStore, to: SqlStore): Promise<CopyReport> {
  if (from.engine.place === to.engine.place && (await isSame(from, to))) {
    throw new DirectoryError("conflict", "The two stores are the same. Name another one to copy to.");
  }
  const source = await from.engine.connect();
  const target = await to.engine.connect().catch(async (error: unknown) => {
    await source.close();
    throw error;
  });
  try {
    return await source.write(async (reading) => {
      await lockAll(from, reading);
      const report = await target.write((writing) => copyAll(reading, writing, to));
      await reading.query(`UPDATE {store} SET moved_to = $1 WHERE id = 1`, [to.engine.place]);
      return report;
    });
  } finally {
    await source.close();
    await target.close();
  }
}

/** Whether two stores at one place have the same tables: a schema of the same database may be another store. */
async function isSame(from: SqlStore, to: SqlStore): Promise<boolean> {
  const [mine, other] = await Promise.all([from, to].map(({ engine }) => engine.query(STATE)));
  return JSON.stringify(mine) === JSON.stringify(other);
}

const STATE = `
  SELECT s.store_id AS id, s.moved_to AS "movedTo", s.schema_version AS schema, h.number, h.mark, h.audited
  FROM {store} s JOIN {feed_head} h ON h.id = 1 WHERE s.id = 1`;

interface State {
  readonly id: string;
  readonly movedTo: string | null;
  readonly schema: number;
  readonly number: number;
  readonly mark: string;
  readonly audited: number;
}

const stateOf = async (sql: Sql): Promise<State> => theRow(await sql.query<State>(STATE));

/** Keeps every change from the source: on PostgreSQL each one raises the head, revocations too. */
async function lockAll(store: SqlStore, sql: Sql): Promise<void> {
  if (store.engine.dialect === "postgres") {
    await sql.query(`SELECT id FROM {write_lock} WHERE id = 1 FOR UPDATE`);
    await sql.query(`SELECT id FROM {feed_head} WHERE id = 1 FOR UPDATE`);
  }
  const { movedTo } = await stateOf(sql);
  if (movedTo === null) return;
  throw new DirectoryError("unusable", `The store was copied to ${movedTo} already. Copy that one.`);
}

async function copyAll(from: Sql, to: Sql, target: SqlStore): Promise<CopyReport> {
  if (target.engine.dialect === "postgres") await to.query(`SELECT id FROM {write_lock} WHERE id = 1 FOR UPDATE`);
  const [mine, other] = [await stateOf(from), await stateOf(to)];
  if (mine.schema !== other.schema) {
    throw new DirectoryError("conflict", "The stores are of different versions. Run `store migrate` on both.");
  }
  const isCopy = mine.id === other.id && mine.mark === other.mark && other.movedTo === null;
  if (!isCopy) await makeEmpty(to, other);
  const report: Record<string, number> = {};
  for (const copied of COPIED) {
    const read = await digestOf(from, copied, isCopy ? undefined : (rows) => insert(to, target, copied, rows));
    const written = await digestOf(to, copied);
    if (read.digest !== written.digest || read.rows !== written.rows) {
      throw new DirectoryError(
        "conflict",
        isCopy
          ? "The target is an earlier copy of this store that differs from it. Empty it, and copy again."
          : `The copy of ${copied.table} differs from what was read. Nothing was moved; copy again.`,
      );
    }
    report[copied.table] = read.rows;
  }
  return report;
}

/** Removes what a new store has. @throws DirectoryError `conflict` for a store that was written to */
async function makeEmpty(to: Sql, { number, audited, movedTo }: State): Promise<void> {
  const [{ revocations } = { revocations: 0 }] = await to.query<{ revocations: number }>(
    `SELECT revocations FROM {feed_head} WHERE id = 1`,
  );
  if (number > 0 || audited > 0 || revocations > 0 || movedTo !== null) {
    throw new DirectoryError("conflict", "The target is not empty. Name a store that was never written to.");
  }
  for (const { table } of [...COPIED].reverse()) await to.query(`DELETE FROM {${table}}`);
}

async function insert(to: Sql, { engine }: SqlStore, { table }: CopiedTable, rows: readonly unknown[]): Promise<void> {
  await to.query(insertRows(engine.dialect, `{${table}}`, columnsOfTable(table)), [JSON.stringify(rows)]);
}

/** Reads all rows of a table in order. @param each is given every page, with bytes as hex digits */
async function digestOf(
  sql: Sql,
  { table, key, where = "1 = 1" }: CopiedTable,
  each: (rows: readonly unknown[]) => Promise<void> = async () => {},
): Promise<{ readonly rows: number; readonly digest: string }> {
  const columns = columnsOfTable(table);
  const names = Object.keys(columns).join(", ");
  const order = key.join(", ");
  const places = key.map((_, index) => `$${index + 1}`).join(", ");
  const page = (condition: string) =>
    `SELECT ${names} FROM {${table}} WHERE ${where}${condition} ORDER BY ${order} LIMIT ${PAGE}`;
  const hash = createHash("sha256");
  let count = 0;
  let after: readonly SqlValue[] | undefined;
  for (;;) {
    const rows: Record<string, SqlValue>[] = await sql.query<Record<string, SqlValue>>(
      after === undefined ? page("") : page(` AND (${order}) > (${places})`),
      after,
    );
    const last = rows.at(-1);
    if (last === undefined) return { rows: count, digest: hash.digest("hex") };
    const texts = rows.map((row) => asJson(row, columns));
    hash.update(JSON.stringify(texts));
    await each(texts);
    count += rows.length;
    after = key.map((name) => last[name] ?? null);
  }
}

const columnsOfTable = (table: string): Columns => COLUMNS.get(table) ?? {};

/** A row in the order of its columns, bytes as hex digits. */
function asJson(row: Readonly<Record<string, SqlValue>>, columns: Columns): Readonly<Record<string, SqlValue>> {
  return Object.fromEntries(
    Object.entries(columns).map(([name, type]) => {
      const value = row[name] ?? null;
      return [name, type === "bytes" && value !== null ? Buffer.from(value as Uint8Array).toString("hex") : value];
    }),
  );
}
