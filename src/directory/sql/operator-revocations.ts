import { setImmediate as nextTurn } from "node:timers/promises";
import type { RevocationFilter, StoredRevocation } from "../operator-store.js";
import { SELECTOR_KINDS, SELECTOR_SCOPES, type SelectorKind } from "../revocation.js";
import type { Sql, SqlValue } from "./sql.js";

/** Rows that one statement looks at where a filter may leave few of them: a few milliseconds. */
const ROWS_AT_ONCE = 10_000;

interface Row {
  readonly kind: number;
  readonly scope: number;
  readonly signer: string;
  readonly realm: string;
  readonly value: string;
  readonly issuedBefore: number | null;
  readonly exp: number | null;
  readonly at: number;
  readonly comment: string;
  readonly changed: number;
}

/**
 * A page of the revocations that a filter leaves, in the order of their keys. The table has no index but by key, so that
 * making a revocation stays cheap: a filter walks along the keys in short statements.
 *
 * @param after a key in base64url
 */
export async function listRevocations(
  sql: Sql,
  filter: RevocationFilter,
  after: string | undefined,
  limit: number,
): Promise<readonly StoredRevocation[]> {
  const conditions = conditionsOf(filter);
  const found: StoredRevocation[] = [];
  let place: Buffer | undefined = Buffer.from(after ?? "", "base64url");
  while (place !== undefined && found.length < limit) {
    const next: Buffer | undefined =
      conditions.length === 0
        ? undefined
        : (
            await sql.query<{ key: Buffer }>(
              `SELECT key FROM {revocations} WHERE key > $1 ORDER BY key LIMIT 1 OFFSET ${ROWS_AT_ONCE - 1}`,
              [place],
            )
          )[0]?.key;
    const bounds = next === undefined ? conditions : [...conditions, ["r.key <=", next] as const];
    found.push(...(await rowsBetween(sql, place, bounds, limit - found.length)));
    place = next;
    // The engine may answer without waiting for anything, and calls wait meanwhile.
    if (place !== undefined) await nextTurn();
  }
  return found;
}

type Condition = readonly [test: string, value: SqlValue];

function conditionsOf({ realm, kind, value, instance }: RevocationFilter): readonly Condition[] {
  const conditions: Condition[] = [];
  if (realm !== undefined) conditions.push(["m.name =", realm]);
  if (kind !== undefined) conditions.push(["r.kind =", SELECTOR_KINDS.indexOf(kind)]);
  if (value !== undefined) conditions.push(["r.value =", value]);
  if (instance !== undefined) {
    conditions.push(["r.scope =", SELECTOR_SCOPES.indexOf("instance")], ["r.signer =", instance]);
  }
  return conditions;
}

async function rowsBetween(
  sql: Sql,
  after: Buffer,
  conditions: readonly Condition[],
  limit: number,
): Promise<readonly StoredRevocation[]> {
  const tests = conditions.map(([test], index) => ` AND ${test} $${index + 3}`).join("");
  const rows = await sql.query<Row>(
    `SELECT r.kind, r.scope, r.signer, m.name AS realm, r.value, r.issued_before AS "issuedBefore", r.exp, r.at, r.comment,
      r.changed
    FROM {revocations} r JOIN {revoked_realms} m ON m.number = r.realm
    WHERE r.key > $1${tests} ORDER BY r.key LIMIT $2`,
    [after, limit, ...conditions.map(([, value]) => value)],
  );
  return rows.map(({ kind, scope, signer, realm, value, ...rest }) => ({
    selector: {
      realm,
      // A kind of a later version is shown as what it is closest to: an unknown name.
      kind: SELECTOR_KINDS[kind] as SelectorKind,
      value,
      ...(SELECTOR_SCOPES[scope] === "instance" && { instance: signer }),
      ...(SELECTOR_SCOPES[scope] === "issuer" && { issuer: signer }),
    },
    ...rest,
  }));
}
