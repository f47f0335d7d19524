import type { Database } from "better-sqlite3";
import { type ImportCounts, type ImportReport, Problems } from "../transfer/import.js";

// Each staged entry is compared with the store's. A secret key or digest under an older master key counts as another
// one: to import it again brings it under the current key.
const COMPARE = `
  UPDATE staging.instances AS s SET state = coalesce((
    SELECT CASE WHEN m.app_id = s.app_id
      AND (SELECT group_concat(hex(digest) ORDER BY ordinal) FROM main.secret_keys WHERE instance_id = s.id)
        IS (SELECT group_concat(hex(digest) ORDER BY ordinal) FROM staging.secret_keys WHERE instance_id = s.id)
      THEN 2 ELSE 1 END
    FROM main.instances m WHERE m.id = s.id), 0);
  UPDATE staging.users AS s SET state = coalesce((
    SELECT CASE WHEN m.email IS s.email AND m.name IS s.name AND m.avatar_url IS s.avatar_url
      AND m.provider IS s.provider THEN 2 ELSE 1 END
    FROM main.users m WHERE m.instance_id = s.instance_id AND m.id = s.id), 0);
  UPDATE staging.clients AS s SET state = coalesce((
    SELECT CASE WHEN m.key_id = s.key_id AND m.secret_digest = s.secret_digest THEN 2 ELSE 1 END
    FROM main.clients m WHERE m.id = s.id), 0);`;

type Table = "instances" | "users" | "clients";

/**
 * Compares what is staged with what the store holds. To be called in a transaction, of which it takes no writer's lock on
 * the store.
 *
 * @returns works the plan out; it throws the DirectoryError of an import that contradicts the store
 */
export function preparePlan(db: Database, prune: boolean): () => ImportReport {
  const strangers = db.prepare<[], { line: number; id: string }>(`
    SELECT s.line, s.instance_id AS id FROM staging.users s
    WHERE NOT EXISTS (SELECT 1 FROM staging.instances i WHERE i.id = s.instance_id)
      ${prune ? "" : "AND NOT EXISTS (SELECT 1 FROM main.instances i WHERE i.id = s.instance_id)"}
    ORDER BY s.line`);
  // An owner that is staged itself is replaced with its keys; whether two staged ones share a key was seen before.
  const taken = db.prepare<[], { line: number; ordinal: number; owner: string }>(`
    SELECT i.line, d.ordinal, m.instance_id AS owner
    FROM staging.digests d JOIN main.secret_keys m ON m.digest = d.digest
      JOIN staging.instances i ON i.id = d.instance_id
    WHERE NOT EXISTS (SELECT 1 FROM staging.instances o WHERE o.id = m.instance_id)
    ORDER BY i.line, d.ordinal`);
  const states = (table: Table) =>
    db.prepare<[], { state: number; count: number }>(
      `SELECT state, count(*) AS count FROM staging.${table} GROUP BY state`,
    );
  const absent = (table: Table) =>
    db.prepare<[], number>(`SELECT count(*) FROM main.${table} AS m WHERE ${notStaged(table)}`).pluck();
  const counters = {
    instances: [states("instances"), absent("instances")],
    users: [states("users"), absent("users")],
    clients: [states("clients"), absent("clients")],
  } as const;
  const count = (table: Table): ImportCounts => {
    const [ofState, ofAbsent] = counters[table];
    const found = new Map(ofState.all().map(({ state, count }) => [state, count]));
    const [added = 0, replaced = 0, unchanged = 0] = [0, 1, 2].map((state) => found.get(state));
    return { added, replaced, unchanged, removed: prune ? (ofAbsent.get() ?? 0) : 0 };
  };
  return () => {
    const problems = new Problems();
    for (const { line, id } of strangers.iterate()) {
      problems.add(line, `puts a user of the unknown instance ${JSON.stringify(id)}. Import the instance with it.`);
    }
    if (!prune) {
      for (const { line, ordinal, owner } of taken.iterate()) {
        const whose = `that belongs to the instance ${JSON.stringify(owner)}`;
        problems.add(line, `has in secretKeys[${ordinal}] a key ${whose}. Give each instance keys of its own.`);
      }
    }
    problems.check("conflict");
    db.exec(COMPARE);
    return { instances: count("instances"), users: count("users"), clients: count("clients") };
  };
}

/** The condition that an entry `m` of the store is not staged. */
export function notStaged(table: Table): string {
  const isSame = table === "users" ? "s.instance_id = m.instance_id AND s.id = m.id" : "s.id = m.id";
  return `NOT EXISTS (SELECT 1 FROM staging.${table} s WHERE ${isSame})`;
}
