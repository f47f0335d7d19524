import type { SeenReplica } from "../operator-store.js";
import type { Position } from "../position.js";
import { FORMAT } from "./schema.js";
import type { Sql } from "./sql.js";
import type { SqlStore } from "./store.js";

/** Milliseconds after which a replica that no longer reports is forgotten. */
export const REPLICAS_KEPT = 600_000;

/** What a replica says of itself. */
export interface ReplicaReport {
  readonly id: string;
  readonly version: string;
  /** When it started, in milliseconds since 1970. */
  readonly startedAt: number;
  /** The last change that it has applied. */
  readonly position: Position;
}

const WRITE = `
  INSERT INTO {replicas} (id, version, format, started_at, seen, number, mark, master_keys, clock_offset)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
  ON CONFLICT (id) DO UPDATE SET version = excluded.version, format = excluded.format, started_at = excluded.started_at,
    seen = excluded.seen, number = excluded.number, mark = excluded.mark, master_keys = excluded.master_keys,
    clock_offset = excluded.clock_offset`;

/**
 * Writes the row of a replica, in a transaction that waits for the disk and for synchronous standbys as a change does: a
 * primary that has lost them cannot complete it.
 */
export async function writeReplica(
  store: SqlStore,
  { id, version, startedAt, position: { number, mark } }: ReplicaReport,
): Promise<void> {
  const keys = JSON.stringify(store.settings.masterKeys.all.map((key) => key.id));
  const row = [id, version, FORMAT, startedAt, store.now(), number, mark, keys, store.clockOffset];
  await store.engine.transaction((sql) => sql.query(WRITE, row));
}

/** Removes the row of a replica that ends. */
export async function removeReplica({ engine }: SqlStore, id: string): Promise<void> {
  await engine.transaction((sql) => sql.query(`DELETE FROM {replicas} WHERE id = $1`, [id]));
}

/** The replicas that reported within the last 10 minutes, by id. @param now milliseconds since 1970, by the store's clock */
export async function listReplicas(sql: Sql, now: number): Promise<readonly SeenReplica[]> {
  type Row = Omit<SeenReplica, "keys"> & { readonly keys: string };
  const rows = await sql.query<Row>(
    `SELECT id, version, number AS position, mark, seen, master_keys AS keys, clock_offset AS "clockOffset"
    FROM {replicas} WHERE seen > $1 ORDER BY id`,
    [now - REPLICAS_KEPT],
  );
  return rows.map(({ keys, ...row }) => ({ ...row, keys: JSON.parse(keys) as string[] }));
}
