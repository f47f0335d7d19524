import { createHash } from "node:crypto";
import type { AuditRow } from "./operator-store.js";

/** The hash before the first row of an audit: 32 zero bytes. */
export const AUDIT_START: Uint8Array = new Uint8Array(32);

/**
 * The hash of a row: SHA-256 over the hash of the row before it and all of this one's members as JSON, so that no row can be
 * altered, removed or put in between without all later hashes being made again.
 */
export function auditHash(previous: Uint8Array, row: Omit<AuditRow, "hash">): Buffer {
  const { number, change, at, actor, requestId, command, subject, outcome } = row;
  return createHash("sha256")
    .update(previous)
    .update(JSON.stringify([number, change, at, actor, requestId, command, subject, outcome]))
    .digest();
}

/** What a walk along the audit found. */
export interface AuditFinding {
  /** The rows that were looked at. */
  readonly rows: number;
  /** The number of the oldest of them: 1 unless older rows were cut; 0 for an empty audit. */
  readonly oldest: number;
  /** The number of the latest of them; 0 for an empty audit. */
  readonly latest: number;
  /** The latest row that does not follow from the one before it; undefined if all do. */
  readonly broken: number | undefined;
}

/**
 * Walks along the rows of an audit, the latest first, and checks that each follows from the one before it. The oldest row of
 * an audit that was cut has no row before it to be checked against.
 */
export async function verifyAudit(rows: AsyncIterable<AuditRow>): Promise<AuditFinding> {
  let [count, latest] = [0, 0];
  let later: AuditRow | undefined;
  const isNext = (row: AuditRow | undefined, before: Uint8Array): boolean =>
    row === undefined || auditHash(before, row).equals(row.hash);
  for await (const row of rows) {
    count += 1;
    if (later === undefined) latest = row.number;
    else if (row.number !== later.number - 1 || !isNext(later, row.hash)) {
      return { rows: count, oldest: row.number, latest, broken: later.number };
    }
    later = row;
  }
  const isStart = later?.number !== 1 || isNext(later, AUDIT_START);
  return { rows: count, oldest: later?.number ?? 0, latest, broken: isStart ? undefined : 1 };
}
