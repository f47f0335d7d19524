import { REQUESTS_KEPT, record } from "./head.js";
import { REPLICAS_KEPT } from "./replicas.js";
import { removeUnneededKeys } from "./reseal.js";
import { forget } from "./revocations.js";
import type { SqlStore } from "./store.js";

/** Feed rows that are kept by default, however old they are. */
const FEED_RETENTION = 100_000;
/** Milliseconds for which feed rows are kept, however many they are. */
const FEED_KEPT = 3_600_000;
/** Ended revocations that are removed in one transaction. */
const BATCH = 10_000;

/** Removes what is no longer needed, in short transactions of which none waits for another process that does the same. */
export async function maintainStore(store: SqlStore): Promise<void> {
  const { engine, settings } = store;
  const { feedRetention = FEED_RETENTION } = settings;
  const now = store.now();
  const isMine = await engine.transaction(async (sql) => {
    if (engine.dialect === "postgres") {
      const [{ mine } = { mine: false }] = await sql.query<{ mine: boolean }>(
        `SELECT pg_try_advisory_xact_lock(hashtextextended('{feed}', 0)) AS mine`,
      );
      if (!mine) return false;
    }
    await sql.query(
      `DELETE FROM {feed} WHERE at < $1 AND number <= (SELECT number FROM {feed_head} WHERE id = 1) - $2`,
      [now - FEED_KEPT, feedRetention],
    );
    await sql.query(`DELETE FROM {requests} WHERE at <= $1`, [now - REQUESTS_KEPT]);
    await sql.query(`DELETE FROM {replicas} WHERE seen < $1`, [now - REPLICAS_KEPT]);
    return true;
  });
  if (!isMine) return;
  await removeUnneededKeys(store, "maintenance");
  let removed = BATCH;
  while (removed === BATCH) {
    removed = await engine.transaction(async (sql) => {
      const count = await forget(sql, engine.dialect, now, BATCH);
      if (count > 0) await record(sql, engine.dialect, { touched: [], audit: [], revocations: -count, at: now });
      return count;
    });
  }
}
