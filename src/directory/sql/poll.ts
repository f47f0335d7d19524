import type { Poll } from "../directory.js";
import { DirectoryError } from "../errors.js";
import { decodeChange } from "../feed.js";
import type { Position } from "../position.js";
import { theRow } from "./lookups.js";
import { FORMAT } from "./schema.js";
import type { Engine, Sql } from "./sql.js";

/** A reading of the feed, and of what is read along with it. */
export interface Polled extends Poll {
  /** The store's clock, in milliseconds since 1970; undefined for an engine that uses this machine's. */
  readonly time: number | undefined;
  /** The version of the store's keys. */
  readonly keysVersion: number;
}

interface Row {
  readonly head: number;
  readonly headMark: string;
  readonly minReader: number;
  readonly keysVersion: number;
  readonly movedTo: string | null;
  readonly time: number | null;
  readonly isReadOnly: boolean | number;
  readonly markBefore: string | null;
  readonly number: number | null;
  readonly mark: string;
  readonly kind: string;
  readonly touched: string;
}

/** The server's clock, and whether it is a standby or read-only. */
const SERVER: { readonly [Dialect in Engine["dialect"]]: string } = {
  sqlite: `NULL AS time, 0 AS "isReadOnly"`,
  postgres: `(extract(epoch from clock_timestamp()) * 1000)::bigint AS time,
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "isReadOnly"`,
};

/**
 * Reads the feed after a position in one statement.
 *
 * @param after undefined asks for the head alone
 * @param limit the most changes to return, at least 1
 * @throws DirectoryError `unusable` for a store that moved, or that only later versions may read; `unavailable` for a
 * database that is no primary
 */
export async function pollFeed(
  sql: Sql,
  dialect: Engine["dialect"],
  after: Position | undefined,
  limit: number,
): Promise<Polled> {
  const rows = await sql.query<Row>(
    `SELECT h.number AS head, h.mark AS "headMark", h.min_reader AS "minReader", h.keys_version AS "keysVersion",
      s.moved_to AS "movedTo", ${SERVER[dialect]}, b.mark AS "markBefore", f.number, f.mark, f.kind, f.touched
    FROM {feed_head} h JOIN {store} s ON s.id = 1
      LEFT JOIN {feed} b ON b.number = $1 LEFT JOIN {feed} f ON f.number > $1
    WHERE h.id = 1 ORDER BY f.number LIMIT $2`,
    [after?.number ?? Number.MAX_SAFE_INTEGER, limit],
  );
  const first = theRow(rows);
  const { head, headMark, minReader, keysVersion, movedTo, time, isReadOnly, markBefore } = first;
  if (movedTo !== null) throw new DirectoryError("unusable", moved(movedTo));
  if (minReader > FORMAT) throw new DirectoryError("unusable", NEWER_READERS);
  if (isReadOnly) throw new DirectoryError("unavailable", NO_PRIMARY);
  const poll = { head: { number: head, mark: headMark }, time: time ?? undefined, keysVersion };
  if (after === undefined) return { ...poll, changes: "restart" };
  if (markBefore !== after.mark) {
    // A row that is not there was trimmed, unless the feed never got so far.
    return { ...poll, changes: "restart", isOtherHistory: markBefore !== null || after.number > head };
  }
  const changes = rows.flatMap(({ number, mark, kind, touched }) =>
    number === null ? [] : [decodeChange({ number, mark }, { kind, touched })],
  );
  return { ...poll, changes };
}

const moved = (to: string): string =>
  `The store was copied to ${to} and is used no more. Set store.url to the new one; do not go back to this one, which lacks all later changes.`;

const NEWER_READERS =
  "The store holds something that this version cannot honour, such as a kind of revocation that it does not know. Update this process.";

const NO_PRIMARY =
  "The database is a standby or read-only, and no change would be seen. Let store.url name the primary.";
