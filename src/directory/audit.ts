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
  /** The numbers of the first and the last of them; 0 for an empty audit. */
  readonly first: number;
  readonly last: number;
  /** The first row that does not follow from the one before it; undefined if all do. */
  readonly broken: number | undefined;
}

/**
 * Walks along rows, oldest first, and checks that each follows from the one before it. The first row of an audit that was
 * cut can only be checked against the ones after it.
 */
export async function verifyAudit(rows: AsyncIterable<AuditRow>): Promise<AuditFinding> {
  let [count, first, last] = [0, 0, 0];
  let previous: Uint8Array | undefined;
  for await (const row of rows) {
    if (count === 0) {
      first = row.number;
      if (row.number === 1) previous = AUDIT_START;
    }
    count += 1;
    const isNext = count === 1 || row.number === last + 1;
    last = row.number;
    const expected = previous && auditHash(previous, row);
    if (!isNext || (expected !== undefined && !expected.equals(row.hash))) {
      return { rows: count, first, last, broken: row.number };
    }
    previous = row.hash;
  }
  return { rows: count, first, last, broken: undefined };
}
