import type { Database } from "better-sqlite3";
import type { Clock } from "../../util/clock.js";
import type { MasterKeys } from "../master-keys.js";
import { type ImportLine, type ImportOptions, type ImportReport, Problems } from "../transfer/import.js";
import { prepareMerge } from "./merge.js";
import { preparePlan } from "./plan.js";
import { prepareReads } from "./reads.js";
import { prepareRecord } from "./record.js";
import { attachStaging } from "./staging.js";

/** How many lines are staged in one transaction. */
const BATCH = 1_000;

/** What an import works with. */
interface Tools {
  /** A connection of its own: the staging is attached to it, and its transactions are nobody else's. */
  readonly db: Database;
  readonly keys: MasterKeys;
  readonly clock: Clock;
  /** How many feed rows are kept. */
  readonly retention: number;
}

/**
 * Imports into a SQLite store. All that takes time is done before the one transaction that writes to it: lines are read,
 * sealed and staged, then compared with the store, which needs no writer's lock.
 */
export async function importInto(
  { db, keys, clock, retention }: Tools,
  lines: AsyncIterable<ImportLine>,
  { prune = false, dryRun = false }: ImportOptions,
  actor: string,
): Promise<ImportReport> {
  const reads = prepareReads(db, keys);
  // Whether a secret key is taken can only be told by one who has every master key of the store.
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
  const problems = new Problems();
  const add = attachStaging(db, keys);
  const addAll = db.transaction((batch: readonly ImportLine[]) => {
    for (const { line, entry, problem } of batch) {
      const wrong = problem ?? add(line, entry);
      if (wrong !== undefined) problems.add(line, wrong);
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
  problems.check("invalid");
}

function changesAnything({ instances, users, clients }: ImportReport): boolean {
  return [instances, users, clients].some(({ added, replaced, removed }) => added + replaced + removed > 0);
}
