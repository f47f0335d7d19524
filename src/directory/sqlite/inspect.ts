import { existsSync } from "node:fs";
import type { Database } from "better-sqlite3";
import type { DirectoryEntry } from "../commands.js";
import type { MasterKeys } from "../master-keys.js";
import { masterKeyOf } from "../master-keys.js";
import type { KeySetName } from "../model.js";
import { clientSecretDigest, sameDigest, secretKeyDigests } from "../sealing.js";
import { guarded } from "./errors.js";
import { prepareKeySets } from "./key-sets.js";
import { openToRead } from "./open-to-read.js";

/** What a store is found to hold. */
interface Inspection {
  /** Whether nothing was ever written to it. */
  readonly isEmpty: boolean;
  /** How many of the entries asked about it does not hold just so. */
  readonly lacking: number;
  /** The saved key sets that none of the master keys opens. */
  readonly unopened: readonly KeySetName[];
}

/**
 * Looks at a store without changing it: whether these master keys open it, and what it holds.
 *
 * @param entries what to look for in it
 * @returns undefined where there is no such file
 * @throws DirectoryError as opening it would
 */
export function inspectStore(
  path: string,
  keys: MasterKeys,
  entries: readonly DirectoryEntry[],
): Inspection | undefined {
  if (!existsSync(path)) return undefined;
  return guarded(() => {
    const db = openToRead(path, keys);
    // A file that was made and not yet filled.
    if (db === undefined) return { isEmpty: true, lacking: entries.length, unopened: [] };
    try {
      const isHeld = holding(db, keys);
      return {
        isEmpty: db.prepare<[], number>("SELECT position FROM feed_head").pluck().get() === 0,
        lacking: entries.filter((entry) => !isHeld(entry)).length,
        unopened: prepareKeySets(db, keys).all().unopened,
      };
    } finally {
      db.close();
    }
  });
}

/** Tells of an entry whether the store holds it, secrets and all. */
function holding(db: Database, keys: MasterKeys): (entry: DirectoryEntry) => boolean {
  const places = keys.all.map(() => "?").join(", ");
  const instance = db.prepare<unknown[], number>(`
    SELECT 1 FROM secret_keys k JOIN instances i ON i.id = k.instance_id
    WHERE i.id = ? AND i.app_id = ? AND k.digest IN (${places})`);
  const user = db.prepare<unknown[], number>(`
    SELECT 1 FROM users WHERE instance_id = ? AND id = ?
      AND email IS ? AND name IS ? AND avatar_url IS ? AND provider IS ?`);
  const client = db.prepare<[string], { keyId: string; digest: Buffer }>(
    "SELECT key_id AS keyId, secret_digest AS digest FROM clients WHERE id = ?",
  );
  return (entry) => {
    if (entry.kind === "putInstance") {
      const { id, appId, secretKeys } = entry;
      return secretKeys.every((one) => instance.get(id, appId, ...secretKeyDigests(keys, one)) !== undefined);
    }
    if (entry.kind === "putUser") {
      const { instanceId, id, email, name, avatarUrl, provider } = entry;
      return user.get(instanceId, id, email, name, avatarUrl, provider) !== undefined;
    }
    const { clientId, clientSecret } = entry;
    const row = client.get(clientId);
    return (
      row !== undefined &&
      sameDigest(row.digest, clientSecretDigest(masterKeyOf(keys, row.keyId), clientId, clientSecret))
    );
  };
}
