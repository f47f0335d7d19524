import { auditHash } from "../audit.js";
import { DirectoryError } from "../errors.js";
import { encodeChange, type Touched } from "../feed.js";
import type { AuditSubject } from "../operator-commands.js";
import { drawMark, type Position } from "../position.js";
import { FORMAT } from "./schema.js";
import type { Engine, Sql } from "./sql.js";

/** A row of the audit, before it has its place. */
export interface AuditEntry {
  readonly actor: string;
  readonly requestId: string | null;
  readonly command: string;
  readonly subject: AuditSubject;
  /** `done`, or why the change was refused. */
  readonly outcome: string;
}

/** What a transaction has done, to be recorded as its last act. */
export interface Record {
  /** The feed rows, in order; none for what changed nothing. */
  readonly touched: readonly Touched[];
  /** The audit rows; the nth belongs to the nth feed row. */
  readonly audit: readonly AuditEntry[];
  /** By how many the revocations became more; default 0. */
  readonly revocations?: number;
  /** Milliseconds since 1970, by the store's clock. */
  readonly at: number;
  /** The request whose answer is kept. */
  readonly request?: { readonly id: string; readonly digest: Uint8Array; readonly answer: AuditSubject } | undefined;
  /** True if the store's keys changed, so that every process reads them again. */
  readonly keysChanged?: boolean;
}

/** Another transaction has answered this request in the meantime: its answer counts, and this transaction is rolled back. */
export class RequestTaken extends DirectoryError {
  override readonly name = "RequestTaken";

  constructor() {
    super(
      "unavailable",
      "The request was carried out by another process in the meantime. Send it again for the answer.",
    );
  }
}

/** Milliseconds for which the answer to a request is kept. */
export const REQUESTS_KEPT = 86_400_000;

/** The head of the feed after a {@link Record}. */
export interface Head extends Position {
  /** All revocations in the store. */
  readonly revocations: number;
}

const RAISE = `
  UPDATE {feed_head} SET number = number + $1, mark = CASE WHEN $2 = '' THEN mark ELSE $2 END, audited = audited + $3,
    revocations = revocations + $4, keys_version = keys_version + $5
  WHERE id = 1 AND min_writer <= $6
  RETURNING number, mark, audited, audit_hash AS "auditHash", revocations`;

/**
 * Raises the head of the feed and writes the feed and audit rows of a transaction. This is the last act of every change: on
 * PostgreSQL the head's row is locked from here to COMMIT, which makes the numbers gapless and their order that of the
 * commits.
 *
 * @throws DirectoryError `unusable` if only later versions may write to the store; RequestTaken
 */
export async function record(sql: Sql, dialect: Engine["dialect"], change: Record): Promise<Head> {
  const { touched, audit, revocations = 0, at, request, keysChanged = false } = change;
  const drawn = touched.length === 0 ? "" : drawMark();
  type Raised = Head & { readonly audited: number; readonly auditHash: Uint8Array };
  const raise = [touched.length, drawn, audit.length, revocations, keysChanged ? 1 : 0, FORMAT];
  const [head] = await sql.query<Raised>(RAISE, raise);
  if (head === undefined) throw new DirectoryError("unusable", NEWER_WRITERS);
  const { number: last, mark, audited } = head;
  const first = last - touched.length + 1;
  const feed = touched.map((one, index) => ({ number: first + index, mark, at, ...encodeChange(one) }));
  let hash: Uint8Array = head.auditHash;
  const rows = audit.map(({ actor, requestId, command, subject, outcome }, index) => {
    const row = {
      number: audited - audit.length + 1 + index,
      change: touched.length === 0 ? null : first + index,
      at,
      actor,
      requestId,
      command,
      subject: JSON.stringify(subject),
      outcome,
    };
    hash = auditHash(hash, row);
    return { ...row, hash: Buffer.from(hash).toString("hex") };
  });
  for (const { text, values } of STATEMENTS[dialect](JSON.stringify(feed), JSON.stringify(rows), hash))
    await sql.query(text, values);
  const changed = JSON.stringify(changedEntries(touched, first));
  if (changed !== "[]") for (const text of SET_CHANGED[dialect]) await sql.query(text, [changed]);
  if (request !== undefined) {
    const answer = JSON.stringify({ number: last, mark, at, subject: request.answer });
    const kept = await sql.query(KEEP, [request.id, at, request.digest, answer, at - REQUESTS_KEPT]);
    if (kept.length === 0) throw new RequestTaken();
  }
  return { number: last, mark, revocations: head.revocations };
}

const NEWER_WRITERS =
  "A later version of this program has written what this one cannot: it may only read the store. Update this process.";

interface Statement {
  readonly text: string;
  readonly values: readonly (string | Uint8Array)[];
}

const SET_HASH = `UPDATE {feed_head} SET audit_hash = $1 WHERE id = 1`;
const KEEP = `
  INSERT INTO {requests} AS kept (id, at, digest, answer) VALUES ($1, $2, $3, $4)
  ON CONFLICT (id) DO UPDATE SET at = excluded.at, digest = excluded.digest, answer = excluded.answer WHERE kept.at <= $5
  RETURNING id`;

/** An entry, and the number of the last change to it in a transaction. */
interface ChangedEntry {
  readonly kind: string;
  readonly owner: string;
  readonly id: string;
  readonly number: number;
}

/** The single entries that a transaction has touched. @param first the number of its first change */
function changedEntries(touched: readonly Touched[], first: number): readonly ChangedEntry[] {
  const entries = touched.map((one, index): ChangedEntry | undefined => {
    const number = first + index;
    if (one.kind === "instance") return { kind: one.kind, owner: "", id: one.instanceId, number };
    if (one.kind === "client") return { kind: one.kind, owner: "", id: one.clientId, number };
    return one.kind === "user" ? { kind: one.kind, owner: one.instanceId, id: one.userId, number } : undefined;
  });
  const last = new Map(entries.map((one) => [JSON.stringify([one?.kind, one?.owner, one?.id]), one]));
  return [...last.values()].filter((one) => one !== undefined);
}

/**
 * Gives entries the numbers of the changes that wrote them, which are only known once the head is locked: a revocation may be
 * committed while an entry is written.
 */
const SET_CHANGED = {
  sqlite: ["instance", "user", "client"].map(
    (kind) => `UPDATE ${tableOf(kind)} AS entry SET changed = g.number
      FROM (SELECT value->>'kind' AS kind, value->>'owner' AS owner, value->>'id' AS id, value->>'number' AS number
        FROM json_each($1)) AS g
      WHERE ${isEntry(kind)}`,
  ),
  postgres: [
    `WITH g AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (kind text, owner text, id text, number bigint)),
    instances AS (UPDATE {instances} AS entry SET changed = g.number FROM g WHERE ${isEntry("instance")}),
    users AS (UPDATE {users} AS entry SET changed = g.number FROM g WHERE ${isEntry("user")})
    UPDATE {clients} AS entry SET changed = g.number FROM g WHERE ${isEntry("client")}`,
  ],
} as const;

function tableOf(kind: string): string {
  return `{${kind}s}`;
}

function isEntry(kind: string): string {
  const owned = kind === "user" ? " AND entry.instance_id = g.owner" : "";
  return `g.kind = '${kind}' AND entry.id = g.id${owned}`;
}

/** The rows of a change, given as JSON lists: PostgreSQL writes them in one statement, for the head is locked meanwhile. */
const STATEMENTS: {
  readonly [Dialect in Engine["dialect"]]: (feed: string, audit: string, hash: Uint8Array) => readonly Statement[];
} = {
  sqlite: (feed, audit, hash) => [
    {
      text: `
          INSERT INTO {feed} (number, mark, at, kind, touched)
          SELECT value->>'number', value->>'mark', value->>'at', value->>'kind', value->>'touched' FROM json_each($1)`,
      values: [feed],
    },
    {
      text: `
          INSERT INTO {audit} (id, position, at, actor, request_id, command, subject, outcome, hash)
          SELECT value->>'number', value->>'change', value->>'at', value->>'actor', value->>'requestId', value->>'command',
            value->>'subject', value->>'outcome', unhex(value->>'hash')
          FROM json_each($1)`,
      values: [audit],
    },
    { text: SET_HASH, values: [hash] },
  ],
  postgres: (feed, audit, hash) => [
    {
      text: `
          WITH feed AS (
            INSERT INTO {feed} (number, mark, at, kind, touched)
            SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (number bigint, mark text, at bigint, kind text, touched text)
          ), audit AS (
            INSERT INTO {audit} (id, position, at, actor, request_id, command, subject, outcome, hash)
            SELECT number, change, at, actor, "requestId", command, subject, outcome, decode(hash, 'hex')
            FROM jsonb_to_recordset($2::jsonb) AS r (number bigint, change bigint, at bigint, actor text, "requestId" text,
              command text, subject text, outcome text, hash text)
          )
          UPDATE {feed_head} SET audit_hash = $3 WHERE id = 1`,
      values: [feed, audit, hash],
    },
  ],
};
