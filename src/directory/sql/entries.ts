import { DirectoryError } from "../errors.js";
import type { Touched } from "../feed.js";
import type { Expectation, NewSecret, OperatorCommandOf } from "../operator-commands.js";
import { RefusedChange } from "../operator-store.js";
import { clientSecretDigest, seal, secretKeyDigest } from "../sealing.js";
import type { StoreKeys } from "../store-keys.js";
import { sealedAt } from "./lookups.js";
import type { Sql } from "./sql.js";

/** What carrying out a command on an entry needs. */
export interface EntryContext {
  readonly sql: Sql;
  readonly keys: StoreKeys;
  /** Milliseconds since 1970, by the store's clock. */
  readonly now: number;
}

type EntryKind =
  | "putInstance"
  | "deleteInstance"
  | "rotateInstanceSecret"
  | "retireInstanceSecret"
  | "putUser"
  | "deleteUser"
  | "putClient"
  | "deleteClient"
  | "rotateClientSecret";

/** The number that `changed` of an entry gets: the one after the head, which only this change can become under the write lock. */
const NEXT = `(SELECT number + 1 FROM {feed_head} WHERE id = 1)`;

/**
 * Carries out commands on instances, users and clients, by kind. Each is called in a transaction that holds the write lock,
 * so what it checks still holds when it writes.
 */
export const ENTRY_COMMANDS: {
  readonly [Kind in EntryKind]: (command: OperatorCommandOf<Kind>, context: EntryContext) => Promise<Touched>;
} = {
  async putInstance({ id, appId, secrets, expect }, context) {
    const { sql } = context;
    const [found] = await sql.query<{ changed: number }>(`SELECT changed FROM {instances} WHERE id = $1`, [id]);
    checkExpected(`instance ${quote(id)}`, found?.changed, expect);
    if (found === undefined && secrets === undefined) throw noSecret(`instance ${quote(id)}`);
    await sql.query(
      `INSERT INTO {instances} (id, app_id, changed) VALUES ($1, $2, ${NEXT})
      ON CONFLICT (id) DO UPDATE SET app_id = excluded.app_id, changed = excluded.changed`,
      [id, appId],
    );
    if (secrets !== undefined) {
      await sql.query(`DELETE FROM {secret_keys} WHERE instance_id = $1`, [id]);
      for (const [ordinal, secret] of secrets.entries()) await addSecretKey(context, id, ordinal, secret);
    }
    return { kind: "instance", instanceId: id };
  },

  async deleteInstance({ id, expect }, { sql }) {
    const [found] = await sql.query<{ changed: number }>(`DELETE FROM {instances} WHERE id = $1 RETURNING changed`, [
      id,
    ]);
    if (found === undefined) throw absent("instance", id);
    checkExpected(`instance ${quote(id)}`, found.changed, expect);
    return { kind: "instance", instanceId: id };
  },

  async rotateInstanceSecret({ id, secret, grace }, context) {
    const { sql, now } = context;
    await touchInstance(sql, id);
    await sql.query(`DELETE FROM {secret_keys} WHERE instance_id = $1 AND retires_at <= $2`, [id, now]);
    await sql.query(
      `UPDATE {secret_keys} SET retires_at = CASE WHEN retires_at < $2 THEN retires_at ELSE $2 END WHERE instance_id = $1`,
      [id, now + grace],
    );
    const [{ ordinal } = { ordinal: 0 }] = await sql.query<{ ordinal: number }>(
      `SELECT coalesce(min(ordinal), 1) - 1 AS ordinal FROM {secret_keys} WHERE instance_id = $1`,
      [id],
    );
    await addSecretKey(context, id, ordinal, secret);
    return { kind: "instance", instanceId: id };
  },

  async retireInstanceSecret({ id, secretId }, { sql }) {
    await touchInstance(sql, id);
    const removed = await sql.query(`DELETE FROM {secret_keys} WHERE instance_id = $1 AND id = $2 RETURNING id`, [
      id,
      secretId,
    ]);
    if (removed.length === 0) throw absent("secret key", secretId, id);
    const [left] = await sql.query(
      `SELECT id FROM {secret_keys} WHERE instance_id = $1 AND retires_at IS NULL LIMIT 1`,
      [id],
    );
    if (left === undefined) {
      throw new RefusedChange(
        "last-secret",
        `The secret key ${quote(secretId)} is the last one of the instance ${quote(id)} that stays. Rotate first.`,
      );
    }
    return { kind: "instance", instanceId: id };
  },

  async putUser({ user, expect }, { sql }) {
    const { instanceId, id, email, name, avatarUrl, provider } = user;
    const [instance] = await sql.query(`SELECT id FROM {instances} WHERE id = $1`, [instanceId]);
    if (instance === undefined) throw absent("instance", instanceId);
    const [found] = await sql.query<{ changed: number }>(
      `SELECT changed FROM {users} WHERE instance_id = $1 AND id = $2`,
      [instanceId, id],
    );
    checkExpected(`user ${quote(id)} of the instance ${quote(instanceId)}`, found?.changed, expect);
    await sql.query(
      `INSERT INTO {users} (instance_id, id, email, name, avatar_url, provider, changed)
      VALUES ($1, $2, $3, $4, $5, $6, ${NEXT})
      ON CONFLICT (instance_id, id) DO UPDATE SET email = excluded.email, name = excluded.name,
        avatar_url = excluded.avatar_url, provider = excluded.provider, changed = excluded.changed`,
      [instanceId, id, email, name, avatarUrl, provider],
    );
    return { kind: "user", instanceId, userId: id };
  },

  async deleteUser({ instanceId, id, expect }, { sql }) {
    const [found] = await sql.query<{ changed: number }>(
      `DELETE FROM {users} WHERE instance_id = $1 AND id = $2 RETURNING changed`,
      [instanceId, id],
    );
    if (found === undefined) throw absent("user", id, instanceId);
    checkExpected(`user ${quote(id)} of the instance ${quote(instanceId)}`, found.changed, expect);
    return { kind: "user", instanceId, userId: id };
  },

  async putClient({ clientId, secret, expect }, context) {
    const { sql } = context;
    const [found] = await sql.query<{ changed: number }>(`SELECT changed FROM {clients} WHERE id = $1`, [clientId]);
    checkExpected(`client ${quote(clientId)}`, found?.changed, expect);
    if (found === undefined && secret === undefined) throw noSecret(`client ${quote(clientId)}`);
    await sql.query(
      `INSERT INTO {clients} (id, changed) VALUES ($1, ${NEXT}) ON CONFLICT (id) DO UPDATE SET changed = excluded.changed`,
      [clientId],
    );
    if (secret !== undefined) {
      await sql.query(`DELETE FROM {client_secrets} WHERE client_id = $1`, [clientId]);
      await addClientSecret(context, clientId, 0, secret);
    }
    return { kind: "client", clientId };
  },

  async deleteClient({ clientId, expect }, { sql }) {
    const [found] = await sql.query<{ changed: number }>(`DELETE FROM {clients} WHERE id = $1 RETURNING changed`, [
      clientId,
    ]);
    if (found === undefined) throw absent("client", clientId);
    checkExpected(`client ${quote(clientId)}`, found.changed, expect);
    return { kind: "client", clientId };
  },

  async rotateClientSecret({ clientId, secret, grace }, context) {
    const { sql, now } = context;
    const [found] = await sql.query(`UPDATE {clients} SET changed = ${NEXT} WHERE id = $1 RETURNING id`, [clientId]);
    if (found === undefined) throw absent("client", clientId);
    // A client has at most two secrets: the one that was retiring goes at once.
    await sql.query(`DELETE FROM {client_secrets} WHERE client_id = $1 AND retires_at IS NOT NULL`, [clientId]);
    await sql.query(`UPDATE {client_secrets} SET retires_at = $2 WHERE client_id = $1`, [clientId, now + grace]);
    const [{ ordinal } = { ordinal: 0 }] = await sql.query<{ ordinal: number }>(
      `SELECT coalesce(min(ordinal), 1) - 1 AS ordinal FROM {client_secrets} WHERE client_id = $1`,
      [clientId],
    );
    await addClientSecret(context, clientId, ordinal, secret);
    return { kind: "client", clientId };
  },
};

async function touchInstance(sql: Sql, id: string): Promise<void> {
  const [found] = await sql.query(`UPDATE {instances} SET changed = ${NEXT} WHERE id = $1 RETURNING id`, [id]);
  if (found === undefined) throw absent("instance", id);
}

async function addSecretKey(
  { sql, keys, now }: EntryContext,
  instanceId: string,
  ordinal: number,
  { id, secret }: NewSecret,
): Promise<void> {
  for (const key of keys.lookup.all) {
    const [owner] = await sql.query<{ instanceId: string }>(
      `SELECT instance_id AS "instanceId" FROM {secret_keys} WHERE digest = $1`,
      [secretKeyDigest(key, secret)],
    );
    if (owner !== undefined) throw alreadyTaken(instanceId, ordinal, owner.instanceId);
  }
  const { current } = keys.lookup;
  const digest = secretKeyDigest(current, secret);
  await sql.query(
    `INSERT INTO {secret_keys} (digest, key_id, instance_id, ordinal, id, sealed, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [digest, current.id, instanceId, ordinal, id, seal(keys.sealing, secret, sealedAt(instanceId, digest)), now],
  );
}

async function addClientSecret(
  { sql, keys, now }: EntryContext,
  clientId: string,
  ordinal: number,
  { id, secret }: NewSecret,
): Promise<void> {
  const { current } = keys.lookup;
  await sql.query(
    `INSERT INTO {client_secrets} (client_id, ordinal, id, key_id, digest, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
    [clientId, ordinal, id, current.id, clientSecretDigest(current, clientId, secret), now],
  );
}

function checkExpected(what: string, changed: number | undefined, expect: Expectation): void {
  if (expect === "any") return;
  if (expect === "absent") {
    if (changed !== undefined) throw new RefusedChange("exists", `The ${what} exists. Say that it may be overwritten.`);
  } else if (changed !== expect) {
    throw new RefusedChange(
      "changed",
      changed === undefined
        ? `The ${what} is gone. Look at it again.`
        : `The ${what} was changed since it was read. Read it again.`,
    );
  }
}

function alreadyTaken(id: string, ordinal: number, owner: string): DirectoryError {
  const message =
    owner === id
      ? "is in its list twice. Remove one of the two."
      : `already belongs to the instance ${quote(owner)}. Give each instance keys of its own.`;
  return new RefusedChange(
    "secret-taken",
    `secretKeys[${Math.max(0, ordinal)}] of the instance ${quote(id)} ${message}`,
  );
}

const noSecret = (what: string): DirectoryError =>
  new RefusedChange("last-secret", `The ${what} does not exist yet. Give it a secret.`);

function absent(what: string, id: string, instanceId?: string): DirectoryError {
  const where = instanceId === undefined ? "" : ` in the instance ${quote(instanceId)}`;
  return new DirectoryError(
    "not-found",
    `There is no ${what} ${quote(id)}${where}. Check the id; it is case-sensitive.`,
  );
}

const quote = (id: string): string => JSON.stringify(id);
