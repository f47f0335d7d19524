import type { OperatorStore, StoredClient, StoredInstance, StoredSecret, StoredUser } from "../operator-store.js";
import type { Sql, SqlValue } from "./sql.js";
import type { SqlStore } from "./store.js";

/** The reads of instances, users and clients that operators have. */
type EntryReads = Pick<OperatorStore, "instance" | "instances" | "user" | "users" | "client" | "clients">;

/** Instances, users and clients, singly and in pages. */
export function operatorEntries(store: SqlStore): EntryReads {
  const { engine } = store;
  return {
    instance: async (id) => (await instancesOf(engine, `id = $1`, [id, 1], store.now()))[0] ?? null,
    instances: (after = "", limit) => instancesOf(engine, `id > $1`, [after, limit], store.now()),
    user: async (instanceId, id) =>
      (await usersOf(engine, `instance_id = $1 AND id = $2`, [instanceId, id], 1))[0] ?? null,
    users: (instanceId, [afterInstance, afterId] = ["", ""], limit) =>
      instanceId === undefined
        ? usersOf(engine, `(instance_id, id) > ($1, $2)`, [afterInstance, afterId], limit)
        : usersOf(
            engine,
            `instance_id = $1 AND (instance_id, id) > ($2, $3)`,
            [instanceId, afterInstance, afterId],
            limit,
          ),
    client: async (id) => (await clientsOf(engine, `id = $1`, [id, 1], store.now()))[0] ?? null,
    clients: (after = "", limit) => clientsOf(engine, `id > $1`, [after, limit], store.now()),
  };
}

/** A secret of an entry, in a row; all null where the entry has none. */
interface SecretColumns {
  readonly secretId: string | null;
  readonly createdAt: number;
  readonly retiresAt: number | null;
}

const SECRET = `s.id AS "secretId", s.created_at AS "createdAt", s.retires_at AS "retiresAt"`;

/** @param where a condition on id with `$1`; `$2` is the most instances */
async function instancesOf(
  sql: Sql,
  where: string,
  values: readonly [string, number],
  now: number,
): Promise<readonly StoredInstance[]> {
  type Row = Omit<StoredInstance, "secrets"> & SecretColumns;
  const rows = await sql.query<Row>(
    `SELECT e.id, e.app_id AS "appId", e.changed, ${SECRET}
    FROM (SELECT * FROM {instances} WHERE ${where} ORDER BY id LIMIT $2) AS e
      LEFT JOIN {secret_keys} s ON s.instance_id = e.id AND (s.retires_at IS NULL OR s.retires_at > $3)
    ORDER BY e.id, s.ordinal`,
    [...values, now],
  );
  return grouped(rows, ({ id }) => id).map(({ first: { id, appId, changed }, secrets }) => ({
    id,
    appId,
    secrets,
    changed,
  }));
}

/** @param where a condition on id with `$1`; `$2` is the most clients */
async function clientsOf(
  sql: Sql,
  where: string,
  values: readonly [string, number],
  now: number,
): Promise<readonly StoredClient[]> {
  type Row = Omit<StoredClient, "secrets"> & SecretColumns;
  const rows = await sql.query<Row>(
    `SELECT e.id AS "clientId", e.changed, ${SECRET}
    FROM (SELECT * FROM {clients} WHERE ${where} ORDER BY id LIMIT $2) AS e
      LEFT JOIN {client_secrets} s ON s.client_id = e.id AND (s.retires_at IS NULL OR s.retires_at > $3)
    ORDER BY e.id, s.ordinal`,
    [...values, now],
  );
  return grouped(rows, ({ clientId }) => clientId).map(({ first: { clientId, changed }, secrets }) => ({
    clientId,
    secrets,
    changed,
  }));
}

function usersOf(sql: Sql, where: string, values: readonly SqlValue[], limit: number): Promise<readonly StoredUser[]> {
  return sql.query<StoredUser>(
    `SELECT instance_id AS "instanceId", id, email, name, avatar_url AS "avatarUrl", provider, changed
    FROM {users} WHERE ${where} ORDER BY instance_id, id LIMIT $${values.length + 1}`,
    [...values, limit],
  );
}

/** Gathers the secrets of each entry from rows in the order of the entries. */
function grouped<Row extends SecretColumns>(
  rows: readonly Row[],
  idOf: (row: Row) => string,
): readonly { readonly first: Row; readonly secrets: readonly StoredSecret[] }[] {
  const groups = new Map<string, { readonly first: Row; readonly secrets: StoredSecret[] }>();
  for (const row of rows) {
    const group = groups.get(idOf(row)) ?? { first: row, secrets: [] };
    groups.set(idOf(row), group);
    const { secretId, createdAt, retiresAt } = row;
    if (secretId !== null) group.secrets.push({ id: secretId, createdAt, retiresAt });
  }
  return [...groups.values()];
}
