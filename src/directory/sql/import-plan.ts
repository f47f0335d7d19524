import { type ImportCounts, ImportIssues, type ImportReport } from "../transfer/import.js";
import type { Engine, Sql } from "./sql.js";
import { report } from "./staging.js";

/** How an engine writes a digest in hex digits. */
const HEX = { sqlite: "lower(hex(digest))", postgres: "encode(digest, 'hex')" } as const;

/** The secrets of an entry in the store that are not gone, as a staged entry has them. */
const secretsOf = (table: string, owner: string, digest: string): string => `(
  SELECT string_agg(${digest} || ':' || coalesce(retires_at, 0), ',' ORDER BY ordinal)
  FROM {${table}} WHERE ${owner} = m.id AND (retires_at IS NULL OR retires_at > $1))`;

/** Statements that compare each staged entry with the store's; true for those that take the present time. */
type Comparison = readonly (readonly [statement: string, takesNow: boolean])[];

// A secret under an earlier look-up key counts as a different one, so that importing it again brings it under the current one.
const comparison = (dialect: Engine["dialect"]): Comparison => {
  const hex = HEX[dialect];
  return [
    ...["instances", "users", "clients", "revocations"].map(
      (table) => [`UPDATE temp_${table} SET state = 0 WHERE state <> 0`, false] as const,
    ),
    [
      `UPDATE temp_instances AS s SET state = CASE WHEN m.app_id = s.app_id
        AND s.secrets = ${secretsOf("secret_keys", "instance_id", hex)} THEN 2 ELSE 1 END
      FROM {instances} m WHERE m.id = s.id`,
      true,
    ],
    [
      `UPDATE temp_users AS s SET state = CASE WHEN m.email IS NOT DISTINCT FROM s.email
        AND m.name IS NOT DISTINCT FROM s.name AND m.avatar_url IS NOT DISTINCT FROM s.avatar_url
        AND m.provider IS NOT DISTINCT FROM s.provider THEN 2 ELSE 1 END
      FROM {users} m WHERE m.instance_id = s.instance_id AND m.id = s.id`,
      false,
    ],
    [
      `UPDATE temp_clients AS s SET state =
        CASE WHEN s.secrets = ${secretsOf("client_secrets", "client_id", `key_id || '.' || ${hex}`)} THEN 2 ELSE 1 END
      FROM {clients} m WHERE m.id = s.id`,
      true,
    ],
    [
      `UPDATE temp_revocations AS s SET state = CASE WHEN (m.issued_before IS NULL OR s.issued_before <= m.issued_before)
        AND (m.exp IS NULL OR s.exp <= m.exp) THEN 2 ELSE 1 END
      FROM {revocations} m WHERE m.key = s.key`,
      false,
    ],
    // A secret that the store has keeps the id by which operators name it.
    [
      `UPDATE temp_secret_keys AS s SET id = m.id, created_at = m.created_at
      FROM temp_digests d, {secret_keys} m
      WHERE d.instance_id = s.instance_id AND d.ordinal = s.ordinal AND m.digest = d.digest
        AND m.instance_id = s.instance_id`,
      false,
    ],
    [
      `UPDATE temp_client_secrets AS s SET id = m.id, created_at = m.created_at
      FROM {client_secrets} m WHERE m.client_id = s.client_id AND m.key_id = s.key_id AND m.digest = s.digest`,
      false,
    ],
  ];
};

const COMPARISONS = { sqlite: comparison("sqlite"), postgres: comparison("postgres") } as const;

const orphans = (inStore: string): string => `
  SELECT s.line, s.instance_id AS id, count(*) OVER () AS total FROM temp_users s
  WHERE NOT EXISTS (SELECT 1 FROM temp_instances i WHERE i.id = s.instance_id) ${inStore} ORDER BY s.line LIMIT 100`;

const ORPHANS = {
  prune: orphans(""),
  keep: orphans("AND NOT EXISTS (SELECT 1 FROM {instances} i WHERE i.id = s.instance_id)"),
} as const;

// A staged owner is replaced together with its keys; keys that two staged instances share were found in staging.
const TAKEN = `
  SELECT d.line, d.ordinal, m.instance_id AS owner, count(*) OVER () AS total
  FROM temp_digests d JOIN {secret_keys} m ON m.digest = d.digest
  WHERE NOT EXISTS (SELECT 1 FROM temp_instances o WHERE o.id = m.instance_id) ORDER BY d.line, d.ordinal LIMIT 100`;

/** A table whose entries are compared. */
type Compared = "instances" | "users" | "clients" | "revocations";

/** The condition that an entry `m` of the store is not staged. */
export function notStaged(table: "instances" | "users" | "clients"): string {
  const isSame = table === "users" ? "s.instance_id = m.instance_id AND s.id = m.id" : "s.id = m.id";
  return `NOT EXISTS (SELECT 1 FROM temp_${table} s WHERE ${isSame})`;
}

/**
 * Compares what is staged with the store, and writes the state of each entry.
 *
 * @param now milliseconds since 1970, by the store's clock
 * @throws ImportError `conflict` for an import that contradicts the store
 */
export async function planImport(
  sql: Sql,
  dialect: Engine["dialect"],
  { prune, hasRevocations, now }: { readonly prune: boolean; readonly hasRevocations: boolean; readonly now: number },
): Promise<ImportReport> {
  const found = new ImportIssues();
  type Issue = { readonly line: number; readonly total: number };
  const orphaned = await sql.query<Issue & { id: string }>(prune ? ORPHANS.prune : ORPHANS.keep);
  report(found, orphaned, ({ id }) => ({
    place: "user.instance",
    message: `is the unknown instance ${JSON.stringify(id)}: import the instance too`,
  }));
  if (!prune) {
    report(found, await sql.query<Issue & { ordinal: number; owner: string }>(TAKEN), ({ ordinal, owner }) => ({
      place: `instance.secretKeys[${ordinal}]`,
      message: `belongs to the instance ${JSON.stringify(owner)} already: give each instance keys of its own`,
    }));
  }
  found.check("conflict");
  for (const [statement, takesNow] of COMPARISONS[dialect]) await sql.query(statement, takesNow ? [now] : []);
  const counts = async (table: Compared): Promise<ImportCounts> => {
    const rows = await sql.query<{ state: number; count: number }>(
      `SELECT state, count(*) AS count FROM temp_${table} GROUP BY state`,
    );
    const [added = 0, replaced = 0, unchanged = 0] = [0, 1, 2].map(
      (of) => rows.find(({ state }) => state === of)?.count,
    );
    const removed = prune && table !== "revocations" ? await countAbsent(sql, table) : 0;
    return { added, replaced, unchanged, removed };
  };
  return {
    instances: await counts("instances"),
    users: await counts("users"),
    clients: await counts("clients"),
    ...(hasRevocations && { revocations: await counts("revocations") }),
  };
}

async function countAbsent(sql: Sql, table: "instances" | "users" | "clients"): Promise<number> {
  const [row] = await sql.query<{ count: number }>(
    `SELECT count(*) AS count FROM {${table}} m WHERE ${notStaged(table)}`,
  );
  return row?.count ?? 0;
}
