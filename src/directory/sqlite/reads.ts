import type { Database } from "better-sqlite3";
import type { Secret } from "../../util/secret.js";
import type { PutUser } from "../commands.js";
import { DirectoryError } from "../errors.js";
import type { Change, Position, Positioned } from "../feed.js";
import { decodeChange } from "../feed.js";
import type { MasterKeys } from "../master-keys.js";
import { masterKeyOf } from "../master-keys.js";
import type { ClientRecord, InstanceRecord, Revocation, RevokedToken, User } from "../model.js";
import { type Place, secretKeyDigests, unseal } from "../sealing.js";
import type { StoredEntry } from "../transfer/import.js";

/** Columns of every look-up: one statement is one snapshot, so each selects the position too. */
interface Head {
  readonly epoch: string;
  readonly position: number;
}

type Nullable<Row> = { readonly [Column in keyof Row]: Row[Column] | null };

/** The place of the sealed text of a secret key. */
export function sealedAt(instanceId: string, digest: Uint8Array): Place {
  return { table: "secret_keys", row: [instanceId, Buffer.from(digest).toString("hex")], column: "sealed" };
}

/** Prepares all reads of single entries, revocations and the feed. They throw SQLite's own errors. */
export function prepareReads(db: Database, keys: MasterKeys) {
  type InstanceRow = Head & Nullable<{ id: string; appId: string; digest: Buffer; sealed: string }>;
  const instanceRows = db.prepare<Buffer[], InstanceRow>(`
    SELECT h.epoch, h.position, i.id, i.app_id AS appId, k.digest, k.sealed
    FROM feed_head h
    LEFT JOIN instances i
      ON i.id = (SELECT instance_id FROM secret_keys WHERE digest IN (${keys.all.map(() => "?").join(", ")}))
    LEFT JOIN secret_keys k ON k.instance_id = i.id
    WHERE h.id = 1 ORDER BY k.ordinal`);
  // Selects as much for an unknown client as for a known one, so that timing does not reveal which ids exist.
  const clientRow = db.prepare<[string, string, string], Head & ClientRecord & { found: 0 | 1 }>(`
    SELECT h.epoch, h.position, c.id IS NOT NULL AS found, coalesce(c.id, ?) AS clientId,
      coalesce(c.key_id, ?) AS keyId, coalesce(c.secret_digest, zeroblob(32)) AS secretDigest
    FROM feed_head h LEFT JOIN clients c ON c.id = ? WHERE h.id = 1`);
  const userRow = db.prepare<[string, string], Head & Nullable<User>>(`
    SELECT h.epoch, h.position, u.instance_id AS instanceId, u.id, u.email, u.name, u.avatar_url AS avatarUrl, u.provider
    FROM feed_head h LEFT JOIN users u ON u.instance_id = ? AND u.id = ? WHERE h.id = 1`);
  type RevocationRow = Head & {
    row: number | null;
    realm: string;
    jti: string;
    digest: string | null;
    until: number | null;
  };
  const revocationRows = db.prepare<[number, number], RevocationRow>(`
    SELECT h.epoch, h.position, r.rowid AS row, r.realm, r.jti, r.digest, r.until
    FROM feed_head h LEFT JOIN revocations r ON r.rowid > ? WHERE h.id = 1 ORDER BY r.rowid LIMIT ?`);
  type FeedRows = Head & Nullable<{ number: number; kind: string; touched: string }>;
  const feedRows = db.prepare<[number, number], FeedRows>(`
    SELECT h.epoch, h.position, f.position AS number, f.kind, f.touched
    FROM feed_head h LEFT JOIN feed f ON f.position > ? WHERE h.id = 1 ORDER BY f.position LIMIT ?`);
  const head = db.prepare<[], Head>("SELECT epoch, position FROM feed_head WHERE id = 1");
  const keyIds = db.prepare<[], string>("SELECT id FROM master_keys").pluck();

  /** Refuses to answer without a master key of the store: secrets under it would not be found, and their owners refused. */
  function needAllKeys(): void {
    for (const id of keyIds.all()) masterKeyOf(keys, id);
  }

  return {
    needAllKeys,

    instance(secretKey: Secret): Positioned<InstanceRecord | null> {
      const rows = instanceRows.all(...secretKeyDigests(keys, secretKey));
      const first = theRow(rows[0]);
      const { id, appId } = first;
      if (id === null || appId === null) {
        needAllKeys();
        return { value: null, position: positionOf(first) };
      }
      const secretKeys = rows.map(({ digest, sealed }) => {
        const stored = { digest: digest ?? Buffer.alloc(0), sealed: sealed ?? "" };
        return unseal(keys, stored.sealed, sealedAt(id, stored.digest));
      });
      return { value: { id, appId, secretKeys }, position: positionOf(first) };
    },

    client(id: string): Positioned<ClientRecord | null> {
      const row = theRow(clientRow.get(id, keys.current.id, id));
      const { found, clientId, keyId, secretDigest } = row;
      masterKeyOf(keys, keyId);
      return { value: found === 1 ? { clientId, keyId, secretDigest } : null, position: positionOf(row) };
    },

    user(ofInstance: string, userId: string): Positioned<User | null> {
      const row = theRow(userRow.get(ofInstance, userId));
      const { instanceId, id, email, name, avatarUrl, provider } = row;
      const value = instanceId === null || id === null ? null : { instanceId, id, email, name, avatarUrl, provider };
      return { value, position: positionOf(row) };
    },

    /** A page of the revocations after a row, or from the first. `last` is the page's last row; undefined if it is empty. */
    revocations(
      after: number | undefined,
      limit: number,
    ): Positioned<readonly Revocation[]> & { last: number | undefined } {
      const rows = revocationRows.all(after ?? Number.MIN_SAFE_INTEGER, limit);
      const value = rows
        .filter(({ row }) => row !== null)
        .map(({ realm, jti, digest, until }) => {
          const token: RevokedToken = digest === null ? { realm, jti } : { digest };
          return { token, until };
        });
      return { value, position: positionOf(theRow(rows[0])), last: rows.at(-1)?.row ?? undefined };
    },

    changes({ epoch, number: after }: Position, limit: number): readonly Change[] | "restart" {
      const rows = feedRows.all(after, limit);
      const first = theRow(rows[0]);
      if (first.epoch !== epoch || after > first.position) return "restart";
      if (after === first.position) return [];
      // Positions are gapless, so a missing next one is no longer retained.
      if (first.number !== after + 1) return "restart";
      return rows.map(({ number, kind, touched }) =>
        decodeChange(number ?? 0, { kind: kind ?? "", touched: touched ?? "" }),
      );
    },

    position: (): Position => positionOf(theRow(head.get())),
  };
}

function positionOf({ epoch, position }: Head): Position {
  return { epoch, number: position };
}

/** The first row of a look-up. Each starts from the one row of feed_head, so there is always a row. */
function theRow<Row>(row: Row | undefined): Row {
  if (row === undefined)
    throw new DirectoryError("unusable", "The store has lost its feed_head. Restore it from a backup.");
  return row;
}

/**
 * Yields all instances, users and clients of one snapshot. Memory does not grow with their number.
 *
 * @param db a connection of the export's own, which is busy until the last entry was taken
 */
export function* exportFrom(db: Database, keys: MasterKeys): Generator<StoredEntry> {
  const instances = db.prepare<[], { id: string; appId: string }>(
    "SELECT id, app_id AS appId FROM instances ORDER BY id",
  );
  const secretKeys = db.prepare<[string], { digest: Buffer; sealed: string }>(
    "SELECT digest, sealed FROM secret_keys WHERE instance_id = ? ORDER BY ordinal",
  );
  const users = db.prepare<[], Omit<PutUser, "kind">>(`
    SELECT instance_id AS instanceId, id, email, name, avatar_url AS avatarUrl, provider
    FROM users ORDER BY instance_id, id`);
  const clients = db.prepare<[], { clientId: string; keyId: string; secretDigest: Buffer }>(
    "SELECT id AS clientId, key_id AS keyId, secret_digest AS secretDigest FROM clients ORDER BY id",
  );
  const { needAllKeys } = prepareReads(db, keys);
  // The first statement that reads takes the snapshot.
  db.exec("BEGIN");
  needAllKeys();
  for (const { id, appId } of instances.iterate()) {
    const opened = secretKeys.all(id).map(({ digest, sealed }) => unseal(keys, sealed, sealedAt(id, digest)));
    yield { kind: "putInstance", id, appId, secretKeys: opened };
  }
  for (const user of users.iterate()) yield { kind: "putUser", ...user };
  for (const client of clients.iterate()) yield { kind: "putClientDigest", ...client };
}
