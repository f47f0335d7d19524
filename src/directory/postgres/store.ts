import pg from "pg";
import { AUDIT_START } from "../audit.js";
import { DirectoryError } from "../errors.js";
import { drawMark } from "../position.js";
import { SCHEMA_VERSION, tablesFor } from "../sql/schema.js";
import type { Sql } from "../sql/sql.js";
import { openSqlStore, type SqlStore, type StoreSettings } from "../sql/store.js";
import { makeStoreKeys } from "../sql/store-key-rows.js";
import { type PostgresAddress, placeOf } from "./connection.js";
import { connect, postgresEngine } from "./engine.js";

/** What opening a store on PostgreSQL needs. */
export interface PostgresOptions extends StoreSettings {
  readonly address: PostgresAddress;
  /** The most connections for look-ups and changes. Default 4. */
  readonly pool?: number | undefined;
}

/** What the comment of a schema of ours begins with, by which another program's is told apart. */
const COMMENT = "token-verifier store";

/**
 * Opens a store on PostgreSQL, and makes its schema where there is none and the user may.
 *
 * @throws DirectoryError `unusable` for wrong master keys, another program's schema or one of a later version;
 * `unavailable` if the database cannot be reached
 */
export async function openPostgresStore(options: PostgresOptions): Promise<SqlStore> {
  const { address, pool } = options;
  await migratePostgres(options);
  const engine = postgresEngine({ address, pool });
  try {
    return await openSqlStore(engine, options);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/**
 * Makes or updates the schema of a store, unless it is up to date. Any number of processes may do so at once.
 *
 * @param grantTo a user who is to use the schema besides the one that makes it: it may read and write rows, and neither change
 * nor remove those of the audit
 * @returns true if anything was done
 */
export async function migratePostgres(
  { address, masterKeys, clock }: PostgresOptions,
  grantTo?: string,
): Promise<boolean> {
  const connection = await connect(address);
  try {
    if (grantTo === undefined && (await versionOf(connection, address)) === SCHEMA_VERSION) return false;
    return await connection.write(async (sql) => {
      // A statement that waits for a lock on a table holds up every reader behind it.
      await sql.query(`SET LOCAL lock_timeout = 2000`);
      await sql.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 1))`, [address.schema]);
      const isMade = (await versionOf(sql, address)) === SCHEMA_VERSION;
      if (!isMade) {
        await makeSchema(sql, address.schema);
        const now = Math.trunc(clock());
        await makeRows(sql, now);
        await makeStoreKeys(sql, masterKeys, now);
      }
      if (grantTo !== undefined) await grant(sql, address.schema, grantTo);
      return !isMade;
    });
  } finally {
    await connection.close();
  }
}

/** The version of the schema; 0 if there is none. @throws DirectoryError `unusable` for another program's, or a later one */
async function versionOf(sql: Sql, address: PostgresAddress): Promise<number> {
  const { schema } = address;
  const [found] = await sql.query<{ comment: string | null; isEmpty: boolean; hasStore: boolean }>(
    `SELECT obj_description(n.oid, 'pg_namespace') AS comment,
      NOT EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = n.oid) AS "isEmpty",
      EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'feed_head') AS "hasStore"
    FROM pg_namespace n WHERE n.nspname = $1`,
    [schema],
  );
  if (found === undefined || found.isEmpty) return 0;
  if (!found.hasStore || found.comment?.startsWith(COMMENT) !== true) {
    throw new DirectoryError(
      "unusable",
      `The schema ${schema} of ${placeOf(address)} belongs to another program. Name another one as store.schema.`,
    );
  }
  const [row] = await sql.query<{ version: number }>(`SELECT schema_version AS version FROM {store} WHERE id = 1`);
  const version = row?.version ?? 0;
  if (version > SCHEMA_VERSION) {
    throw new DirectoryError(
      "unusable",
      `The store in ${placeOf(address)} is of version ${version}; this program knows versions up to ${SCHEMA_VERSION}. Run the newer program.`,
    );
  }
  return version;
}

async function grant(sql: Sql, schema: string, user: string): Promise<void> {
  const [name, role] = [pg.escapeIdentifier(schema), pg.escapeIdentifier(user)];
  await sql.query(`GRANT USAGE ON SCHEMA ${name} TO ${role}`);
  await sql.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${name} TO ${role}`);
  await sql.query(`REVOKE UPDATE, DELETE ON {audit} FROM ${role}`);
}

async function makeSchema(sql: Sql, schema: string): Promise<void> {
  const name = pg.escapeIdentifier(schema);
  const [found] = await sql.query(`SELECT 1 AS found FROM pg_namespace WHERE nspname = $1`, [schema]);
  const statements = [
    // Also where the schema is there, this would need the right to make one.
    ...(found === undefined ? [`CREATE SCHEMA ${name}`] : []),
    `COMMENT ON SCHEMA ${name} IS ${pg.escapeLiteral(`${COMMENT}: use token-verifier to change it`)}`,
    tablesFor("postgres"),
    // Every change updates this row, and a long snapshot elsewhere keeps its old versions.
    `ALTER TABLE {feed_head} SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)`,
  ];
  for (const statement of statements) await sql.query(statement);
}

/** The rows of an empty store. */
async function makeRows(sql: Sql, now: number): Promise<void> {
  const mark = drawMark();
  await sql.query(`INSERT INTO {write_lock} (id) VALUES (1)`);
  await sql.query(`INSERT INTO {store} (id, store_id, schema_version, created_at) VALUES (1, $1, $2, $3)`, [
    drawMark(),
    SCHEMA_VERSION,
    now,
  ]);
  await sql.query(
    `INSERT INTO {feed_head}
      (id, number, mark, min_reader, min_writer, keys_version, revocations, audited, audit_hash)
    VALUES (1, 0, $1, 0, 0, 1, 0, 0, $2)`,
    [mark, AUDIT_START],
  );
  // A follower at this position finds its mark here.
  await sql.query(`INSERT INTO {feed} (number, mark, at, kind, touched) VALUES (0, $1, $2, 'reset', '{}')`, [
    mark,
    now,
  ]);
}
