import type { Database } from "better-sqlite3";
import type { PutUser } from "../commands.js";
import type { MasterKeys } from "../master-keys.js";
import { unseal } from "../sealing.js";
import type { StoredEntry } from "../transfer/import.js";
import { prepareReads, sealedAt } from "./reads.js";

/**
 * Gives all that a SQLite store holds, but for its revocations, from one snapshot. Memory does not grow with it.
 *
 * @param db a connection of its own, for it is busy until the last entry was taken
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
  // The snapshot is taken by the first statement that reads.
  db.exec("BEGIN");
  needAllKeys();
  for (const { id, appId } of instances.iterate()) {
    const opened = secretKeys.all(id).map(({ digest, sealed }) => unseal(keys, sealed, sealedAt(id, digest)));
    yield { kind: "putInstance", id, appId, secretKeys: opened };
  }
  for (const user of users.iterate()) yield { kind: "putUser", ...user };
  for (const client of clients.iterate()) yield { kind: "putClientDigest", ...client };
}
