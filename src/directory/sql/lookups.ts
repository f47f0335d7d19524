import type { Secret } from "../../util/secret.js";
import { DirectoryError } from "../errors.js";
import type { ClientRecord, InstanceRecord, User } from "../model.js";
import type { Position, Positioned } from "../position.js";
import { type Place, secretKeyDigest, unseal } from "../sealing.js";
import type { StoreKeys } from "../store-keys.js";
import type { Sql } from "./sql.js";

// Look-ups of single entries. Each is one statement and so one snapshot, from which the position comes too.

/** Columns that every look-up selects. */
interface Head {
  readonly number: number;
  readonly mark: string;
  /** The version of the store's keys: a secret under a key that this process has not read yet would not be found. */
  readonly keysVersion: number;
}

const HEAD = `h.number, h.mark, h.keys_version AS "keysVersion"`;

type Nullable<Row> = { readonly [Column in keyof Row]: Row[Column] | null };

/** What a look-up found, and the version of the store's keys at that moment. */
export type LookedUp<Value> = Positioned<Value> & { readonly keysVersion: number };

/** The instance that owns a secret key. */
export async function lookUpInstance(
  sql: Sql,
  keys: StoreKeys,
  secretKey: Secret,
): Promise<LookedUp<InstanceRecord | null>> {
  type Row = Head & Nullable<{ id: string; appId: string; digest: Buffer; sealed: string; retiresAt: number }>;
  const digests = keys.lookup.all.map((key) => secretKeyDigest(key, secretKey));
  const rows = await sql.query<Row>(
    `SELECT ${HEAD}, i.id, i.app_id AS "appId", k.digest, k.sealed, k.retires_at AS "retiresAt"
    FROM {feed_head} h
    LEFT JOIN {instances} i ON i.id = (
      SELECT instance_id FROM {secret_keys} WHERE digest IN (${digests.map((_, index) => `$${index + 1}`).join(", ")}) LIMIT 1)
    LEFT JOIN {secret_keys} k ON k.instance_id = i.id
    WHERE h.id = 1 ORDER BY k.ordinal`,
    digests,
  );
  const first = theRow(rows);
  const { id, appId, keysVersion } = first;
  if (id === null || appId === null) return { value: null, position: positionOf(first), keysVersion };
  const secretKeys = rows.map(({ digest, sealed, retiresAt }) => ({
    secret: unseal(keys.sealing, sealed ?? "", sealedAt(id, digest ?? Buffer.alloc(0))),
    retiresAt,
  }));
  return { value: { id, appId, secretKeys }, position: positionOf(first), keysVersion };
}

/** The client with an id. */
export async function lookUpClient(sql: Sql, clientId: string): Promise<LookedUp<ClientRecord | null>> {
  type Row = Head & Nullable<{ id: string; keyId: string; digest: Buffer; retiresAt: number }>;
  const rows = await sql.query<Row>(
    `SELECT ${HEAD}, c.id, s.key_id AS "keyId", s.digest, s.retires_at AS "retiresAt"
    FROM {feed_head} h LEFT JOIN {clients} c ON c.id = $1 LEFT JOIN {client_secrets} s ON s.client_id = c.id
    WHERE h.id = 1 ORDER BY s.ordinal`,
    [clientId],
  );
  const first = theRow(rows);
  const { id, keysVersion } = first;
  if (id === null) return { value: null, position: positionOf(first), keysVersion };
  const secrets = rows.map(({ keyId, digest, retiresAt }) => ({
    keyId: keyId ?? "",
    digest: digest ?? Buffer.alloc(0),
    retiresAt,
  }));
  return { value: { clientId: id, secrets }, position: positionOf(first), keysVersion };
}

/** A user of an instance. */
export async function lookUpUser(sql: Sql, instanceId: string, userId: string): Promise<LookedUp<User | null>> {
  const rows = await sql.query<Head & Nullable<User>>(
    `SELECT ${HEAD}, u.instance_id AS "instanceId", u.id, u.email, u.name, u.avatar_url AS "avatarUrl", u.provider
    FROM {feed_head} h LEFT JOIN {users} u ON u.instance_id = $1 AND u.id = $2 WHERE h.id = 1`,
    [instanceId, userId],
  );
  const row = theRow(rows);
  const { instanceId: owner, id, email, name, avatarUrl, provider, keysVersion } = row;
  const value = owner === null || id === null ? null : { instanceId: owner, id, email, name, avatarUrl, provider };
  return { value, position: positionOf(row), keysVersion };
}

/** The place of the sealed text of a secret key. */
export function sealedAt(instanceId: string, digest: Uint8Array): Place {
  return { table: "secret_keys", row: [instanceId, Buffer.from(digest).toString("hex")], column: "sealed" };
}

const positionOf = ({ number, mark }: Head): Position => ({ number, mark });

/** The first row of a look-up. Each starts from the one row of feed_head, so there is always a row. */
export function theRow<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) {
    throw new DirectoryError("unusable", "The store has lost its feed_head. Restore it from a backup.");
  }
  return row;
}
