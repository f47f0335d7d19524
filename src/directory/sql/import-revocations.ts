import type { Touched } from "../feed.js";
import type { SelectorKind } from "../revocation.js";
import type { ImportCounts } from "../transfer/import.js";
import { checkRoom, forget, realmNumber, revoke } from "./revocations.js";
import type { Sql } from "./sql.js";
import type { StagedRevocation } from "./staging.js";
import type { SqlStore } from "./store.js";
import { MAX_REVOCATIONS } from "./write.js";

/** Revocations that are read and written at a time: some 3 MB. */
const PAGE = 10_000;
/** The most revocations that the feed has one by one; every process reads all of them again after more. */
const MAX_IN_FEED = 10_000;
/** The most revocations of one feed row. */
const MAX_IN_ROW = 1_000;

/** What merging revocations needs. */
export interface RevocationMerge {
  readonly sql: Sql;
  readonly store: SqlStore;
  readonly now: number;
  readonly actor: string;
}

/** What merging revocations did. */
export interface MergedRevocations {
  /** The feed rows. */
  readonly touched: readonly Touched[];
  /** By how many the revocations became more. */
  readonly more: number;
  /** @throws RefusedChange `revocations-full` @param total all revocations in the store */
  checkRoom(total: number): void;
}

/** Merges the revocations that are staged and planned, in the order of their keys, as all who lock several of them do. */
export async function mergeRevocations(
  { sql, store, now, actor }: RevocationMerge,
  counts: ImportCounts | undefined,
): Promise<MergedRevocations> {
  const { added, replaced } = counts ?? { added: 0, replaced: 0 };
  if (added + replaced === 0) return { touched: [], more: 0, checkRoom: () => {} };
  const { dialect } = store.engine;
  const { maxRevocations: max = MAX_REVOCATIONS, endOf = () => null } = store.settings;
  for (const { realm } of await sql.query<{ realm: string }>(SELECT_REALMS)) await realmNumber(sql, realm);
  const isFew = added + replaced <= MAX_IN_FEED;
  const touched: Touched[] = [];
  let more = 0;
  for await (const page of pages(sql)) {
    more += (await revoke({ sql, dialect, now, actor, endOf }, page, "")).more;
    if (!isFew) continue;
    for (let at = 0; at < page.length; at += MAX_IN_ROW) {
      const part = page.slice(at, at + MAX_IN_ROW);
      const revocations = part.map(({ selector, issuedBefore, exp }) => ({ selector, issuedBefore, exp }));
      touched.push({ kind: "revoked", revocations });
    }
  }
  const [{ total } = { total: 0 }] = await sql.query<{ total: number }>(
    `SELECT revocations + $1 AS total FROM {feed_head} WHERE id = 1`,
    [more],
  );
  if (total > max - Math.ceil(max / 100)) more -= await forget(sql, dialect, now, Math.max(added, PAGE));
  const kinds = await sql.query<{ kind: SelectorKind }>(`SELECT DISTINCT kind FROM temp_revocations WHERE state < 2`);
  return {
    touched: isFew ? touched : [{ kind: "reset-revocations" }],
    more,
    checkRoom: (all) =>
      checkRoom(
        all,
        kinds.map(({ kind }) => ({ selector: { kind } })),
        max,
      ),
  };
}

const SELECT_REALMS = `SELECT DISTINCT realm FROM temp_revocations WHERE state < 2 ORDER BY realm`;

async function* pages(sql: Sql): AsyncGenerator<readonly StagedRevocation[]> {
  let after: Uint8Array = new Uint8Array(0);
  for (;;) {
    const rows = await sql.query<{ key: Buffer; revocation: string }>(
      `SELECT key, revocation FROM temp_revocations WHERE state < 2 AND key > $1 ORDER BY key LIMIT ${PAGE}`,
      [after],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map(({ revocation }) => JSON.parse(revocation) as StagedRevocation);
    after = last.key;
  }
}
