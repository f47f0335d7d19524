import type { Database } from "better-sqlite3";
import { notStaged } from "./plan.js";

const PRUNE = [
  `DELETE FROM main.users AS m WHERE ${notStaged("users")}`,
  `DELETE FROM main.instances AS m WHERE ${notStaged("instances")}`,
  `DELETE FROM main.clients AS m WHERE ${notStaged("clients")}`,
];

// What is there already (state 2) is not written again: the lock is held for what changes alone.
const MERGE = [
  `INSERT OR IGNORE INTO main.master_keys (id)
    SELECT key_id FROM staging.secret_keys UNION SELECT key_id FROM staging.clients`,
  `DELETE FROM main.secret_keys WHERE instance_id IN (SELECT id FROM staging.instances WHERE state = 1)`,
  `INSERT INTO main.instances (id, app_id)
    SELECT id, app_id FROM staging.instances WHERE state < 2
    ON CONFLICT (id) DO UPDATE SET app_id = excluded.app_id`,
  `INSERT INTO main.secret_keys (digest, key_id, instance_id, ordinal, sealed)
    SELECT k.digest, k.key_id, k.instance_id, k.ordinal, k.sealed
    FROM staging.instances i JOIN staging.secret_keys k ON k.instance_id = i.id WHERE i.state < 2`,
  `INSERT INTO main.users (instance_id, id, email, name, avatar_url, provider)
    SELECT instance_id, id, email, name, avatar_url, provider FROM staging.users WHERE state < 2
    ON CONFLICT (instance_id, id) DO UPDATE SET email = excluded.email, name = excluded.name,
      avatar_url = excluded.avatar_url, provider = excluded.provider`,
  `INSERT INTO main.clients (id, key_id, secret_digest)
    SELECT id, key_id, secret_digest FROM staging.clients WHERE state < 2
    ON CONFLICT (id) DO UPDATE SET key_id = excluded.key_id, secret_digest = excluded.secret_digest`,
];

/** Prepares the merge of what is staged and planned; it is to be called in a write transaction. */
export function prepareMerge(db: Database, prune: boolean): () => void {
  const statements = [...(prune ? PRUNE : []), ...MERGE].map((text) => db.prepare(text));
  return () => {
    for (const statement of statements) statement.run();
  };
}
