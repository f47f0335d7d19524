import { notStaged } from "./import-plan.js";
import type { Sql } from "./sql.js";

const PRUNE = [
  `DELETE FROM {users} AS m WHERE ${notStaged("users")}`,
  `DELETE FROM {instances} AS m WHERE ${notStaged("instances")}`,
  `DELETE FROM {clients} AS m WHERE ${notStaged("clients")}`,
];

/** The number of the change that the import becomes, unless revocations come before it. */
const NEXT = `(SELECT number + 1 FROM {feed_head} WHERE id = 1)`;

// Unchanged entries (state 2) are not written again, so that the lock is held for the changes alone.
const MERGE = [
  `DELETE FROM {secret_keys} WHERE instance_id IN (SELECT id FROM temp_instances WHERE state = 1)`,
  `INSERT INTO {instances} (id, app_id, changed)
    SELECT id, app_id, ${NEXT} FROM temp_instances WHERE state < 2 ORDER BY id
    ON CONFLICT (id) DO UPDATE SET app_id = excluded.app_id, changed = excluded.changed`,
  `INSERT INTO {secret_keys} (digest, key_id, instance_id, ordinal, id, sealed, created_at, retires_at)
    SELECT k.digest, k.key_id, k.instance_id, k.ordinal, k.id, k.sealed, k.created_at, k.retires_at
    FROM temp_instances i JOIN temp_secret_keys k ON k.instance_id = i.id WHERE i.state < 2`,
  `INSERT INTO {users} (instance_id, id, email, name, avatar_url, provider, changed)
    SELECT instance_id, id, email, name, avatar_url, provider, ${NEXT}
    FROM temp_users WHERE state < 2 ORDER BY instance_id, id
    ON CONFLICT (instance_id, id) DO UPDATE SET email = excluded.email, name = excluded.name,
      avatar_url = excluded.avatar_url, provider = excluded.provider, changed = excluded.changed`,
  `DELETE FROM {client_secrets} WHERE client_id IN (SELECT id FROM temp_clients WHERE state = 1)`,
  `INSERT INTO {clients} (id, changed) SELECT id, ${NEXT} FROM temp_clients WHERE state < 2 ORDER BY id
    ON CONFLICT (id) DO UPDATE SET changed = excluded.changed`,
  `INSERT INTO {client_secrets} (client_id, ordinal, id, key_id, digest, created_at, retires_at)
    SELECT s.client_id, s.ordinal, s.id, s.key_id, s.digest, s.created_at, s.retires_at
    FROM temp_clients c JOIN temp_client_secrets s ON s.client_id = c.id WHERE c.state < 2`,
];

/** Merges what is staged and planned, in a transaction that holds the write lock. @param prune removes what is not staged */
export async function mergeEntries(sql: Sql, prune: boolean): Promise<void> {
  for (const text of [...(prune ? PRUNE : []), ...MERGE]) await sql.query(text);
}
