import { checkActor } from "../commands.js";
import { DirectoryError } from "../errors.js";
import type { Touched } from "../feed.js";
import type { AuditSubject } from "../operator-commands.js";
import type { AppliedChange } from "../operator-store.js";
import type { Position } from "../position.js";
import type { StoreKeys } from "../store-keys.js";
import type { ImportLine, ImportOptions, ImportReport } from "../transfer/import.js";
import { RequestTaken, record } from "./head.js";
import { mergeEntries } from "./import-merge.js";
import { planImport } from "./import-plan.js";
import { mergeRevocations } from "./import-revocations.js";
import { theRow } from "./lookups.js";
import type { Sql } from "./sql.js";
import { type Staged, stageLines } from "./staging.js";
import type { SqlStore } from "./store.js";
import { addStoreKey } from "./store-key-rows.js";
import { type Author, answered, beginWriting, requestDigest } from "./write.js";

/** What an import did, or would do. */
export type AppliedImport = AppliedChange & { readonly report: ImportReport };

/** A request under which an import is carried out once. */
export interface ImportRequest {
  readonly id: string;
  /** What makes two requests the same; called once all lines were read. */
  readonly contentOf: () => string;
}

/** An import once its lines are staged. */
interface Staging extends Staged {
  readonly store: SqlStore;
  readonly keys: StoreKeys;
  readonly now: number;
  readonly prune: boolean;
  readonly author: Author;
  readonly request: { readonly id: string; readonly content: string } | undefined;
}

interface Planned {
  readonly position: Position;
  readonly report: ImportReport;
}

/**
 * Imports into a store; see {@link Directory.import}. Lines are read, sealed, staged and compared with the store before the
 * write lock is taken, on a connection of the import's own. On PostgreSQL all of it is one transaction, for a connection
 * through PgBouncer keeps its temporary tables no longer.
 */
export async function importLines(
  store: SqlStore,
  lines: AsyncIterable<ImportLine>,
  options: ImportOptions,
  author: Author,
  request?: ImportRequest,
): Promise<AppliedImport> {
  checkActor(author.actor);
  const { dialect } = store.engine;
  const content: { text?: string } = {};
  const answer = async (): Promise<AppliedImport | undefined> => {
    const found = request && content.text !== undefined && (await answered(store, content.text, request.id));
    return found ? replayed(found) : undefined;
  };
  const stage = async (sql: Sql): Promise<Staging> => {
    const { prune = false, fromOtherStore = false } = options;
    const keys = await beginWriting(store, sql, false);
    const now = store.now();
    const staged = await stageLines(sql, { dialect, storeId: store.id, keys, now, fromOtherStore }, lines);
    if (request !== undefined) content.text = request.contentOf();
    const kept = request && { id: request.id, content: content.text ?? "" };
    return { ...staged, store, keys, now, prune, author, request: kept };
  };
  const isOver = ({ report }: Planned): boolean => options.dryRun === true || !changesAnything(report);
  const connection = await store.engine.connect();
  try {
    if (dialect === "postgres") {
      return await connection.write(async (sql) => {
        const staging = await stage(sql);
        const before = await answer();
        if (before !== undefined) return before;
        const planned = await plan(sql, staging);
        return isOver(planned) ? unchanged(staging, planned) : commit(sql, staging, planned);
      });
    }
    const staging = await stage(connection);
    const before = await answer();
    if (before !== undefined) return before;
    const planned = await connection.snapshot((sql) => plan(sql, staging));
    if (isOver(planned)) return unchanged(staging, planned);
    return await connection.write((sql) => commit(sql, staging, planned));
  } catch (error) {
    // The same request was carried out elsewhere, or this one was and its answer was lost.
    const mayBeDone = error instanceof DirectoryError && error.code === "unknown-outcome";
    const done = error instanceof RequestTaken || mayBeDone ? await answer().catch(() => undefined) : undefined;
    if (done === undefined) throw error;
    return mayBeDone ? { ...done, replayed: false } : done;
  } finally {
    await connection.close();
  }
}

async function plan(sql: Sql, { store, prune, hasRevocations, now }: Staging): Promise<Planned> {
  const position = await headOf(sql);
  const report = await planImport(sql, store.engine.dialect, { prune, hasRevocations, now });
  return { position, report };
}

async function headOf(sql: Sql): Promise<Position> {
  return theRow(await sql.query<Position>(`SELECT number, mark FROM {feed_head} WHERE id = 1`));
}

/** Merges what was planned, under the write lock. */
async function commit(sql: Sql, staging: Staging, planned: Planned): Promise<AppliedImport> {
  const { store, keys, now, prune, author, foreignKeys, request } = staging;
  const { engine, settings } = store;
  checkKeys(keys, await beginWriting(store, sql, true));
  const isAsPlanned = await onlyRevoked(sql, planned.position);
  const report = isAsPlanned ? planned.report : (await plan(sql, staging)).report;
  const subject: AuditSubject = { ...report, prune };
  for (const key of foreignKeys.values()) {
    // Older than any key of the store's own, so that none is replaced as the one for new digests.
    await addStoreKey(sql, settings.masterKeys, { purpose: "lookup", ...key }, 0);
  }
  const touched: Touched[] = [];
  if (changesEntries(report)) {
    await mergeEntries(sql, prune);
    touched.push({ kind: "reset" });
  }
  const revoked = await mergeRevocations({ sql, store, now, actor: author.actor }, report.revocations);
  touched.push(...revoked.touched);
  const head = await record(sql, engine.dialect, {
    touched,
    audit: [{ ...author, command: "import", subject, outcome: "done" }],
    revocations: revoked.more,
    at: now,
    keysChanged: foreignKeys.size > 0,
    request: request && { id: request.id, digest: requestDigest(keys, request.content), answer: subject },
  });
  revoked.checkRoom(head.revocations);
  const position = { number: head.number, mark: head.mark };
  return { position, at: now, replayed: false, subject, report };
}

/** Whether all changes since a position were revocations, which the comparison of entries does not depend on. */
async function onlyRevoked(sql: Sql, { number, mark }: Position): Promise<boolean> {
  const [row] = await sql.query<{ head: number; same: number; revoked: number }>(
    `SELECT h.number AS head, (SELECT count(*) FROM {feed} WHERE number = $1 AND mark = $2) AS same,
      (SELECT count(*) FROM {feed} WHERE number > $1 AND kind IN ('revoked', 'unrevoked', 'reset-revocations')) AS revoked
    FROM {feed_head} h WHERE h.id = 1`,
    [number, mark],
  );
  return row !== undefined && (row.head === number || row.same === 1) && row.revoked === row.head - number;
}

/** A secret key may be stored under any look-up key: without all of them, a taken one would have been missed. */
function checkKeys(staged: StoreKeys, now: StoreKeys): void {
  const ids = ({ lookup }: StoreKeys): string => lookup.all.map(({ id }) => id).join();
  if (ids(staged) === ids(now)) return;
  throw new DirectoryError("unavailable", "The store got another look-up key during the import. Import again.");
}

function changesEntries({ instances, users, clients }: ImportReport): boolean {
  return [instances, users, clients].some(({ added, replaced, removed }) => added + replaced + removed > 0);
}

function changesAnything(report: ImportReport): boolean {
  const { added, replaced } = report.revocations ?? { added: 0, replaced: 0 };
  return added + replaced > 0 || changesEntries(report);
}

/** The answer of an import that writes nothing. */
function unchanged({ now, prune }: Staging, { position, report }: Planned): AppliedImport {
  return { position, at: now, replayed: false, subject: { ...report, prune }, report };
}

function replayed(found: Omit<AppliedChange, "replayed">): AppliedImport {
  const { instances, users, clients, revocations } = found.subject as unknown as ImportReport;
  const report = { instances, users, clients, ...(revocations && { revocations }) };
  return { ...found, replayed: true, report };
}
