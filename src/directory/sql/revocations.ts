import { DirectoryError } from "../errors.js";
import type { Touched } from "../feed.js";
import { RefusedChange } from "../operator-store.js";
import {
  type Revocation,
  revocationKey,
  SELECTOR_KINDS,
  type Selector,
  type SelectorKind,
  scopeOf,
} from "../revocation.js";
import { type PackedRevocations, ROW_BYTES } from "../revocation-page.js";
import type { RevocationCounts } from "../revocation-set.js";
import { NO_TIME } from "../revocation-table.js";
import type { Engine, Sql } from "./sql.js";

type Dialect = Engine["dialect"];

/** Seconds that a revocation stays in the store after its end, for the clocks and policies of replicas may differ. */
const SLACK = 86_400;

/** What making or removing revocations needs. */
export interface RevocationContext {
  readonly sql: Sql;
  readonly dialect: Dialect;
  /** Milliseconds since 1970, by the store's clock. */
  readonly now: number;
  readonly actor: string;
  /** Seconds since 1970 at which a revocation ends by the present policy of its realm; null for never. */
  readonly endOf: (revocation: Revocation) => number | null;
}

/** What was done, and by how many the revocations became more. */
export interface RevocationsChanged {
  readonly touched: Touched;
  readonly more: number;
}

/**
 * Makes revocations, all or none, in a few statements. A revocation that exists is only ever extended.
 *
 * @param comment for those that have none of their own
 */
export async function revoke(
  { sql, dialect, now, actor, endOf }: RevocationContext,
  revocations: readonly (Revocation & { readonly comment?: string })[],
  comment: string,
): Promise<RevocationsChanged> {
  // Realms and rows are sorted, so that any two transactions lock theirs in one order.
  const realms = new Map<string, number>();
  for (const name of [...new Set(revocations.map(({ selector }) => selector.realm))].sort()) {
    realms.set(name, await realmNumber(sql, name));
  }
  const rows = new Map<string, Row>();
  for (const { selector, issuedBefore, exp, comment: own } of revocations) {
    const key = revocationKey(selector).toString("hex");
    const end = endOf({ selector, issuedBefore, exp });
    const before = rows.get(key);
    rows.set(key, {
      key,
      realm: realms.get(selector.realm) ?? 0,
      kind: SELECTOR_KINDS.indexOf(selector.kind),
      scope: scopeOf(selector),
      signer: selector.instance ?? selector.issuer ?? "",
      value: selector.value,
      issuedBefore: longer(before?.issuedBefore, issuedBefore),
      exp: longer(before?.exp, exp),
      forgetAt: longer(before?.forgetAt, end === null ? null : end + SLACK),
      comment: own ?? comment,
    });
  }
  const list = [...rows.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  const values = [JSON.stringify(list), now, actor];
  const { count, upsert, returnsAdded } = UPSERT[dialect];
  const counted = count === undefined ? undefined : await sql.query<{ count: number }>(count, values.slice(0, 1));
  const upserted = await sql.query<{ count: number }>(upsert, values);
  const more = returnsAdded ? upserted[0]?.count : list.length - (counted?.[0]?.count ?? 0);
  return { touched: { kind: "revoked", revocations }, more: more ?? 0 };
}

/** A revocation as the statements take it. */
interface Row extends Pick<Revocation, "issuedBefore" | "exp"> {
  /** In hex digits. */
  readonly key: string;
  readonly realm: number;
  readonly kind: number;
  readonly scope: number;
  readonly signer: string;
  readonly value: string;
  readonly forgetAt: number | null;
  readonly comment: string;
}

/** The later of two times, null being the latest. */
const longer = (before: number | null | undefined, time: number | null): number | null =>
  before === undefined ? time : before === null || time === null ? null : Math.max(before, time);

const COLUMNS =
  "key, realm, kind, scope, signer, value, issued_before, exp, forget_at, at, actor, comment, changed" as const;

const NEXT = `(SELECT number + 1 FROM {feed_head} WHERE id = 1)`;

const later = (column: string): string =>
  `${column} = CASE WHEN stored.${column} < excluded.${column} OR excluded.${column} IS NULL THEN excluded.${column}
    ELSE stored.${column} END`;

// NULL is a ban, an unknown exp, or for good. A revocation never becomes narrower, for that would take part of it back.
const EXTEND = `
  ON CONFLICT (key) DO UPDATE SET ${["issued_before", "exp", "forget_at"].map(later).join(", ")},
    at = excluded.at, actor = excluded.actor, comment = excluded.comment, changed = excluded.changed`;

/** How an engine makes or extends the revocations of a JSON list, in the order of their keys, and counts the new ones. */
const UPSERT: {
  readonly [Each in Dialect]: { readonly count?: string; readonly upsert: string; readonly returnsAdded: boolean };
} = {
  // The transaction has the file for itself, so what is counted before still holds.
  sqlite: {
    count: `SELECT count(*) AS count FROM {revocations} WHERE key IN (SELECT unhex(value->>'key') FROM json_each($1))`,
    upsert: `
      INSERT INTO {revocations} AS stored (${COLUMNS})
      SELECT unhex(value->>'key'), value->>'realm', value->>'kind', value->>'scope', value->>'signer', value->>'value',
        value->>'issuedBefore', value->>'exp', value->>'forgetAt', $2, $3, value->>'comment', ${NEXT}
      FROM json_each($1) WHERE true ${EXTEND}`,
    returnsAdded: false,
  },
  // A row that was extended was locked before, and says so in xmax; a new one has none.
  postgres: {
    upsert: `
      WITH written AS (
        INSERT INTO {revocations} AS stored (${COLUMNS})
        SELECT decode(g.key, 'hex'), g.realm, g.kind, g.scope, g.signer, g.value, g."issuedBefore", g.exp, g."forgetAt",
          $2, $3, g.comment, ${NEXT}
        FROM jsonb_to_recordset($1::jsonb) AS g (key text, realm bigint, kind bigint, scope bigint, signer text, value text,
          "issuedBefore" bigint, exp bigint, "forgetAt" bigint, comment text)
        ORDER BY g.key COLLATE "C" ${EXTEND}
        RETURNING (xmax = 0) AS is_new
      )
      SELECT count(*) FILTER (WHERE is_new) AS count FROM written`,
    returnsAdded: true,
  },
};

/** Removes revocations, all or none. @throws DirectoryError `not-found` for the first that is not there */
export async function unrevoke(
  sql: Sql,
  dialect: Dialect,
  selectors: readonly Selector[],
): Promise<RevocationsChanged> {
  const byKey = new Map(selectors.map((selector) => [revocationKey(selector).toString("hex"), selector]));
  const { lock, remove } = REMOVE[dialect];
  const keys = [JSON.stringify([...byKey.keys()].sort())];
  const found = await sql.query<{ key: Buffer }>(lock, keys);
  const present = new Set(found.map(({ key }) => key.toString("hex")));
  for (const [key, selector] of byKey) if (!present.has(key)) throw absent(selector);
  await sql.query(remove, keys);
  return { touched: { kind: "unrevoked", selectors }, more: -byKey.size };
}

/** How an engine locks the revocations of a JSON list of keys, in their order, and removes them. */
const REMOVE: { readonly [Each in Dialect]: { readonly lock: string; readonly remove: string } } = {
  sqlite: {
    lock: `SELECT key FROM {revocations} WHERE key IN (SELECT unhex(value) FROM json_each($1))`,
    remove: `DELETE FROM {revocations} WHERE key IN (SELECT unhex(value) FROM json_each($1))`,
  },
  postgres: {
    lock: `SELECT key FROM {revocations}
      WHERE key IN (SELECT decode(value, 'hex') FROM jsonb_array_elements_text($1::jsonb)) ORDER BY key FOR UPDATE`,
    remove: `DELETE FROM {revocations}
      WHERE key IN (SELECT decode(value, 'hex') FROM jsonb_array_elements_text($1::jsonb))`,
  },
};

/**
 * Refuses what would exceed the most revocations. The last hundredth is kept for those by subject, key or all, so that a flood
 * of logouts cannot stop the one that matters.
 *
 * @param total the revocations with those just made
 * @throws RefusedChange `revocations-full`
 */
export function checkRoom(
  total: number,
  revocations: readonly { readonly selector: Pick<Selector, "kind"> }[],
  max: number,
): void {
  const isReserved = revocations.every(({ selector }) => RESERVED.has(selector.kind));
  if (total <= (isReserved ? max : max - Math.ceil(max / 100))) return;
  throw new RefusedChange(
    "revocations-full",
    `The store has as many revocations as revocations.max allows (${max}). Raise it, or revoke by subject, key or realm instead of token by token.`,
  );
}

const RESERVED: ReadonlySet<Selector["kind"]> = new Set(["subject", "key", "all"]);

/** Removes revocations that ended more than a day ago. @param limit the most to remove @returns how many were removed */
export async function forget(sql: Sql, dialect: Dialect, now: number, limit: number): Promise<number> {
  // A row that another transaction has locked is left to the next time: waiting for it could be waiting for each other.
  const lock = dialect === "postgres" ? "FOR UPDATE SKIP LOCKED" : "";
  const removed = await sql.query(
    `WITH ended AS MATERIALIZED (
      SELECT key FROM {revocations} WHERE forget_at <= $1 ORDER BY key LIMIT $2 ${lock}
    )
    DELETE FROM {revocations} WHERE key IN (SELECT key FROM ended) RETURNING key`,
    [Math.trunc(now / 1000), limit],
  );
  return removed.length;
}

/** The number by which revocations name a realm; it is made if there is none. */
export async function realmNumber(sql: Sql, name: string): Promise<number> {
  const find = async (): Promise<number | undefined> => {
    const [row] = await sql.query<{ number: number }>(`SELECT number FROM {revoked_realms} WHERE name = $1`, [name]);
    return row?.number;
  };
  const known = await find();
  if (known !== undefined) return known;
  // Two transactions may draw the same number: the second waits here for the first, and then draws again.
  for (;;) {
    const [made] = await sql.query<{ number: number }>(
      `INSERT INTO {revoked_realms} (number, name) SELECT coalesce(max(number), -1) + 1, $1 FROM {revoked_realms} WHERE true
      ON CONFLICT DO NOTHING RETURNING number`,
      [name],
    );
    const number = made?.number ?? (await find());
    if (number !== undefined) return number;
  }
}

function absent({ kind, realm, value }: Selector): DirectoryError {
  return new DirectoryError(
    "not-found",
    `There is no revocation by ${kind} ${JSON.stringify(value)} in the realm ${JSON.stringify(realm)}. List them, and check the scope.`,
  );
}

/** A time in four bytes: the greatest value for NULL and for what does not fit. */
const packed = (column: string): string =>
  `CASE WHEN ${column} IS NULL OR ${column} > ${NO_TIME} THEN ${NO_TIME} ELSE ${column} END`;

/** How an engine packs the rows of a page into one value. */
const PACK = {
  postgres: `
    SELECT count(*) AS count, string_agg(key || int2send(realm::int2) || decode(lpad(to_hex(kind), 2, '0'), 'hex')
      || decode(lpad(to_hex(scope), 2, '0'), 'hex') || substring(int8send(${packed("issued_before")}) from 5)
      || substring(int8send(${packed("exp")}) from 5), ''::bytea ORDER BY key) AS rows
    FROM (SELECT * FROM {revocations} WHERE key > $1 ORDER BY key LIMIT $2) AS page`,
  sqlite: `
    SELECT key, realm, kind, scope, ${packed("issued_before")} AS "issuedBefore", ${packed("exp")} AS exp
    FROM {revocations} WHERE key > $1 ORDER BY key LIMIT $2`,
} as const;

/** How many revocations there are of each kind. Those by `jti`, of which there may be millions, are what is left over. */
export async function countRevocations(sql: Sql): Promise<RevocationCounts> {
  const rows = await sql.query<{ total: number; kind: number | null; count: number }>(
    `SELECT h.revocations AS total, k.kind, k.count
    FROM {feed_head} h LEFT JOIN (SELECT kind, count(*) AS count FROM {revocations} WHERE kind > 0 GROUP BY kind) k ON 1 = 1
    WHERE h.id = 1`,
  );
  const counts: Partial<Record<SelectorKind, number>> = {};
  let jti = rows[0]?.total ?? 0;
  for (const { kind, count } of rows) {
    const name = kind === null ? undefined : SELECTOR_KINDS[kind];
    if (name === undefined) continue;
    counts[name] = count;
    jti -= count;
  }
  return { ...counts, jti: Math.max(0, jti) };
}

/**
 * All revocations in pages, in the order of their keys; those made or removed meanwhile may be in it or not.
 *
 * @param limit rows a page
 */
export async function* revocationPages(
  sql: Sql,
  dialect: keyof typeof PACK,
  limit: number,
): AsyncGenerator<PackedRevocations> {
  let after: Buffer = Buffer.alloc(0);
  for (;;) {
    const rows = await (dialect === "postgres" ? packedByServer(sql, after, limit) : packedHere(sql, after, limit));
    if (rows.length === 0) return;
    const realms = await sql.query<{ number: number; name: string }>(`SELECT number, name FROM {revoked_realms}`);
    yield { rows, realms: new Map(realms.map(({ number, name }) => [number, name])) };
    if (rows.length < limit * ROW_BYTES) return;
    after = Buffer.from(rows.subarray(rows.length - ROW_BYTES, rows.length - ROW_BYTES + 12));
  }
}

async function packedByServer(sql: Sql, after: Buffer, limit: number): Promise<Buffer> {
  const [page] = await sql.query<{ rows: Buffer | null }>(PACK.postgres, [after, limit]);
  return page?.rows ?? Buffer.alloc(0);
}

interface Unpacked {
  readonly key: Buffer;
  readonly realm: number;
  readonly kind: number;
  readonly scope: number;
  readonly issuedBefore: number;
  readonly exp: number;
}

async function packedHere(sql: Sql, after: Buffer, limit: number): Promise<Buffer> {
  const rows = await sql.query<Unpacked>(PACK.sqlite, [after, limit]);
  const page = Buffer.alloc(rows.length * ROW_BYTES);
  for (const [index, { key, realm, kind, scope, issuedBefore, exp }] of rows.entries()) {
    const start = index * ROW_BYTES;
    key.copy(page, start);
    page.writeUInt16BE(realm, start + 12);
    page.writeUInt8(kind, start + 14);
    page.writeUInt8(scope, start + 15);
    page.writeUInt32BE(issuedBefore, start + 16);
    page.writeUInt32BE(exp, start + 20);
  }
  return page;
}
