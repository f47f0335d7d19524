import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import type { Entry } from "../commands.js";
import { clientSecretDigest, sameDigest, secretKeyDigests } from "../digest.js";
import type { KeySetName } from "../directory.js";
import type { MasterKeys } from "../master-keys.js";
import { masterKeyOf } from "../seal.js";
import { guarded } from "./errors.js";
import { prepareKeySets } from "./key-sets.js";
import { checkFile } from "./open.js";

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
export function inspectStore(path: string, keys: MasterKeys, entries: readonly Entry[]): Inspection | undefined {
  if (!existsSync(path)) return undefined;
  return guarded(() => {
    const db = new Database(path, { readonly: true, fileMustExist: true });
    try {
      checkFile(db, path);
      // A file that was made and not yet filled.
      if (db.pragma("user_version", { simple: true }) === 0) {
        return { isEmpty: true, lacking: entries.length, unopened: [] };
      }
      checkKeys(db, keys);
      const isHeld = holding(db, keys);
      return {
        isEmpty: db.prepare<[], number>("SELECT position FROM feed_head").pluck().get() === 0,
        lacking: entries.filter((entry) => !isHeld(entry)).length,
        unopened: hasKeySets(db) ? prepareKeySets(db, keys).all().unopened : [],
      };
    } finally {
      db.close();
    }
  });
}

/** Not so in a store of the version before that nobody has opened since. */
function hasKeySets(db: Database.Database): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'key_sets'").get() !== undefined;
}

/** Tells of an entry whether the store holds it, secrets and all. */
function holding(db: Database.Database, keys: MasterKeys): (entry: Entry) => boolean {
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

function checkKeys(db: Database.Database, keys: MasterKeys): void {
  const ids = db.prepare<[], string>("SELECT id FROM master_keys").pluck().all();
  const needed = db
    .prepare<[], string>("SELECT key_id FROM secret_keys UNION SELECT key_id FROM clients")
    .pluck()
    .all();
  const isStrange = (id: string): boolean => !keys.byId.has(id);
  const stranger = needed.find(isStrange) ?? (ids.every(isStrange) ? ids[0] : undefined);
  if (stranger !== undefined) masterKeyOf(keys, stranger);
}
