import { setImmediate as nextTurn } from "node:timers/promises";
import type { AuditFilter, AuditRow, OperatorStore } from "../operator-store.js";
import { record } from "./head.js";
import { theRow } from "./lookups.js";
import type { Sql, SqlValue } from "./sql.js";
import type { SqlStore } from "./store.js";
import { beginWriting } from "./write.js";

/** Rows that one statement looks at where a filter may leave few of them: a few milliseconds. */
const ROWS_AT_ONCE = 10_000;

/** A page of the audit, the latest first. @param before the number of a row; undefined begins with the latest */
export async function listAudit(
  sql: Sql,
  filter: AuditFilter,
  before: number | undefined,
  limit: number,
): Promise<readonly AuditRow[]> {
  const bounds = theRow(
    await sql.query<{ oldest: number | null; latest: number }>(
      `SELECT h.audited AS latest, (SELECT min(id) FROM {audit}) AS oldest FROM {feed_head} h WHERE h.id = 1`,
    ),
  );
  const { oldest, latest } = bounds;
  if (oldest === null) return [];
  const found: AuditRow[] = [];
  let end = Math.min(before ?? Number.POSITIVE_INFINITY, latest + 1);
  while (end > oldest && found.length < limit) {
    const start = Math.max(oldest, end - ROWS_AT_ONCE);
    found.push(...(await rowsBetween(sql, start, end, filter, limit - found.length)));
    end = start;
    // The engine may answer without waiting for anything, and calls wait meanwhile.
    if (end > oldest && found.length < limit) await nextTurn();
  }
  return found;
}

const COLUMNS = `id AS number, position AS change, at, actor, request_id AS "requestId", command, subject, outcome, hash`;

function rowsBetween(
  sql: Sql,
  start: number,
  end: number,
  { actor, command, since, before }: AuditFilter,
  limit: number,
): Promise<readonly AuditRow[]> {
  const tests: [string, SqlValue | undefined][] = [
    ["actor =", actor],
    ["command =", command],
    ["at >=", since],
    ["at <", before],
  ];
  const given = tests.filter((test): test is [string, SqlValue] => test[1] !== undefined);
  const conditions = given.map(([test], index) => ` AND ${test} $${index + 4}`).join("");
  return sql.query<AuditRow>(
    `SELECT ${COLUMNS} FROM {audit} WHERE id >= $1 AND id < $2${conditions} ORDER BY id DESC LIMIT $3`,
    [start, end, limit, ...given.map(([, value]) => value)],
  );
}

/** Writes a change that was refused to the audit alone. */
export async function auditRefused(store: SqlStore, row: Parameters<OperatorStore["refused"]>[0]): Promise<void> {
  const { actor, requestId, command, subject, outcome } = row;
  const { engine } = store;
  await engine.transaction(async (sql) => {
    await beginWriting(store, sql, false);
    const audit = [{ actor, requestId, command, subject, outcome }];
    await record(sql, engine.dialect, { touched: [], audit, at: store.now() });
  });
}
