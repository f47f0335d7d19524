import { decodeChange } from "../feed.js";
import { MAX_REMEMBERED } from "../recent-revocations.js";
import { type Revocation, revocationKey } from "../revocation.js";
import type { RevocationChange } from "../revocation-memory.js";
import type { Sql } from "./sql.js";
import type { SqlStore } from "./store.js";
import { applyCommands } from "./write.js";

// A store that went back in time, because a copy of its disk was restored or a standby took over that lacked the last
// commits, gets the revocations back that a running replica remembers.

/** The actor of restored revocations in the audit. */
const RECOVERY = "recovery";
/** Revocations that are restored in one transaction. */
const BATCH = 1_000;
/** Feed rows read at a time, of up to 1,000 revocations each. */
const PAGE = 20;

/** A change to the revocations, and when it was made, in milliseconds since 1970. */
export interface RecentChange {
  readonly change: RevocationChange;
  readonly at: number;
}

interface Row {
  readonly number: number;
  readonly mark: string;
  readonly at: number;
  readonly kind: string;
  readonly touched: string;
}

/**
 * The latest changes to the revocations, as far as the feed holds them: imported ones are not among them.
 *
 * @param since milliseconds since 1970
 * @returns the earliest first
 */
export async function readRecentChanges({ engine }: SqlStore, since: number): Promise<readonly RecentChange[]> {
  const connection = await engine.connect();
  try {
    const found: RecentChange[] = [];
    let before = Number.MAX_SAFE_INTEGER;
    for (let count = 0; count < MAX_REMEMBERED; ) {
      const rows = await connection.query<Row>(
        `SELECT number, mark, at, kind, touched FROM {feed}
        WHERE number < $1 AND at >= $2 AND kind IN ('revoked', 'unrevoked') ORDER BY number DESC LIMIT $3`,
        [before, since, PAGE],
      );
      for (const { number, mark, at, ...row } of rows) {
        const change = decodeChange({ number, mark }, row);
        if (change.kind !== "revoked" && change.kind !== "unrevoked") continue;
        found.push({ change, at });
        count += change.kind === "revoked" ? change.revocations.length : 1;
        before = number;
      }
      if (rows.length < PAGE) break;
    }
    return found.reverse();
  } finally {
    await connection.close();
  }
}

/**
 * Makes those revocations that the store lacks, or holds in a narrower form; all that have ended are left out.
 *
 * @returns how many
 * @throws DirectoryError if the store cannot be changed; those before stay made
 */
export async function restoreRevocations(store: SqlStore, revocations: readonly Revocation[]): Promise<number> {
  const { engine, settings } = store;
  const now = store.now() / 1000;
  const lasting = revocations.filter((one) => (settings.endOf?.(one) ?? Number.POSITIVE_INFINITY) > now);
  let restored = 0;
  for (let start = 0; start < lasting.length; start += BATCH) {
    const lacking = await lackingOf(engine, engine.dialect, lasting.slice(start, start + BATCH));
    if (lacking.length === 0) continue;
    await applyCommands(store, [{ kind: "revoke", revocations: lacking, comment: COMMENT }], RECOVERY);
    restored += lacking.length;
  }
  return restored;
}

const COMMENT = "Restored by a replica that remembered it: the store had lost it.";

const KEYS = {
  sqlite: `SELECT unhex(value) FROM json_each($1)`,
  postgres: `SELECT decode(value, 'hex') FROM jsonb_array_elements_text($1::jsonb)`,
} as const;

async function lackingOf(
  sql: Sql,
  dialect: keyof typeof KEYS,
  revocations: readonly Revocation[],
): Promise<readonly Revocation[]> {
  const byKey = new Map(revocations.map((one) => [revocationKey(one.selector).toString("hex"), one]));
  type Held = Pick<Revocation, "issuedBefore" | "exp"> & { readonly key: Buffer };
  const rows = await sql.query<Held>(
    `SELECT key, issued_before AS "issuedBefore", exp FROM {revocations} WHERE key IN (${KEYS[dialect]})`,
    [JSON.stringify([...byKey.keys()])],
  );
  for (const { key, issuedBefore, exp } of rows) {
    const hex = key.toString("hex");
    const ours = byKey.get(hex);
    if (ours && reaches(issuedBefore, ours.issuedBefore) && reaches(exp, ours.exp)) byKey.delete(hex);
  }
  return [...byKey.values()];
}

/** Whether a time, null being the latest, is at least another. */
const reaches = (time: number | null, other: number | null): boolean =>
  time === null || (other !== null && time >= other);
