import type { Database } from "better-sqlite3";
import type { Clock } from "../../util/clock.js";
import type { MasterKeys } from "../master-keys.js";
import {
  type ImportCounts,
  ImportIssues,
  type ImportLine,
  type ImportOptions,
  type ImportReport,
} from "../transfer/import.js";
import { prepareReads } from "./reads.js";
import { attachStaging } from "./staging.js";
import { prepareRecord } from "./writes.js";

/** Lines staged in one transaction. */
const BATCH = 1_000;

/** What an import works with. */
interface ImportTools {
  /** A connection of the import's own, for the staging is attached to it and its transactions take long. */
  readonly db: Database;
  readonly keys: MasterKeys;
  readonly clock: Clock;
  /** How many feed rows to keep. */
  readonly retention: number;
}

/**
 * Imports into a SQLite store. Everything slow comes before the one transaction that writes: lines are read, sealed and
 * staged, then compared with the store, none of which takes the writer's lock.
 */
export async function importInto(
  { db, keys, clock, retention }: ImportTools,
  lines: AsyncIterable<ImportLine>,
  { prune = false, dryRun = false }: ImportOptions,
  actor: string,
): Promise<ImportReport> {
  const reads = prepareReads(db, keys);
  // A secret key may be stored under any master key of the store: without all of them, a taken one could be missed.
  reads.needAllKeys();
  await stage(db, keys, lines);
  const plan = preparePlan(db, prune);
  const merge = prepareMerge(db, prune);
  const record = prepareRecord(db, clock, retention);
  const compare = db.transaction(() => ({ position: reads.position(), report: plan() }));
  const planned = compare();
  if (dryRun || !changesAnything(planned.report)) return planned.report;
  const write = db.transaction(() => {
    reads.needAllKeys();
    const { epoch, number } = reads.position();
    const isAsPlanned = epoch === planned.position.epoch && number === planned.position.number;
    const report = isAsPlanned ? planned.report : plan();
    merge();
    record({ touched: { kind: "reset" }, subject: { ...report, prune } }, actor, "import");
    return report;
  });
  return write.immediate();
}

async function stage(db: Database, keys: MasterKeys, lines: AsyncIterable<ImportLine>): Promise<void> {
  const found = new ImportIssues();
  const add = attachStaging(db, keys);
  const addAll = db.transaction((batch: readonly ImportLine[]) => {
    for (const { line, entry, issues } of batch) {
      if (issues === undefined) {
        const issue = add(line, entry);
        if (issue !== undefined) found.add(line, issue);
      } else for (const issue of issues) found.add(line, issue);
    }
  });
  let batch: ImportLine[] = [];
  for await (const line of lines) {
    batch.push(line);
    if (batch.length < BATCH) continue;
    addAll(batch);
    batch = [];
  }
  addAll(batch);
  found.check("invalid");
}

function changesAnything({ instances, users, clients }: ImportReport): boolean {
  return [instances, users, clients].some(({ added, replaced, removed }) => added + replaced + removed > 0);
}

// Compares each staged entry with the store's. A secret key or digest under an older master key counts as a different
// one, so that importing it again brings it under the current key.
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
 * Prepares the comparison of what is staged with the store; to be called in a transaction, in which it takes no writer's
 * lock on the store.
 *
 * @returns makes the plan, and throws the ImportError of an import that contradicts the store
 */
function preparePlan(db: Database, prune: boolean): () => ImportReport {
  const orphans = db.prepare<[], { line: number; id: string }>(`
    SELECT s.line, s.instance_id AS id FROM staging.users s
    WHERE NOT EXISTS (SELECT 1 FROM staging.instances i WHERE i.id = s.instance_id)
      ${prune ? "" : "AND NOT EXISTS (SELECT 1 FROM main.instances i WHERE i.id = s.instance_id)"}
    ORDER BY s.line`);
  // A staged owner is replaced together with its keys; keys that two staged instances share were found in staging.
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
    const found = new ImportIssues();
    for (const { line, id } of orphans.iterate()) {
      const message = `is the unknown instance ${JSON.stringify(id)}: import the instance too`;
      found.add(line, { place: "user.instance", message });
    }
    if (!prune) {
      for (const { line, ordinal, owner } of taken.iterate()) {
        const message = `belongs to the instance ${JSON.stringify(owner)} already: give each instance keys of its own`;
        found.add(line, { place: `instance.secretKeys[${ordinal}]`, message });
      }
    }
    found.check("conflict");
    db.exec(COMPARE);
    return { instances: count("instances"), users: count("users"), clients: count("clients") };
  };
}

/** The condition that an entry `m` of the store is not staged. */
function notStaged(table: Table): string {
  const isSame = table === "users" ? "s.instance_id = m.instance_id AND s.id = m.id" : "s.id = m.id";
  return `NOT EXISTS (SELECT 1 FROM staging.${table} s WHERE ${isSame})`;
}

const PRUNE = [
  `DELETE FROM main.users AS m WHERE ${notStaged("users")}`,
  `DELETE FROM main.instances AS m WHERE ${notStaged("instances")}`,
  `DELETE FROM main.clients AS m WHERE ${notStaged("clients")}`,
];

// Unchanged entries (state 2) are not written again, so that the lock is held for the changes alone.
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

/** Prepares the merge of what is staged and planned; to be called in a write transaction. */
function prepareMerge(db: Database, prune: boolean): () => void {
  const statements = [...(prune ? PRUNE : []), ...MERGE].map((text) => db.prepare(text));
  return () => {
    for (const statement of statements) statement.run();
  };
}
