import type { Database } from "better-sqlite3";
import type { Issue } from "../../util/issues.js";
import type { PutInstance, PutUser } from "../commands.js";
import type { MasterKeys } from "../master-keys.js";
import { clientSecretDigest, seal, secretKeyDigest, secretKeyDigests } from "../sealing.js";
import type { ImportEntry, PutClientDigest } from "../transfer/import.js";
import { sealedAt } from "./reads.js";

// state: 0 for a new entry, 1 for one that replaces an entry of the store, 2 for one that the store has already.
const TABLES = `
  CREATE TABLE staging.instances (
    id TEXT PRIMARY KEY, app_id TEXT NOT NULL, line INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE staging.secret_keys (
    instance_id TEXT NOT NULL, ordinal INTEGER NOT NULL, digest BLOB NOT NULL UNIQUE, key_id TEXT NOT NULL,
    sealed TEXT NOT NULL, PRIMARY KEY (instance_id, ordinal)
  ) STRICT, WITHOUT ROWID;
  -- The digests of the same keys under all master keys, for the store may hold any of them.
  CREATE TABLE staging.digests (
    instance_id TEXT NOT NULL, ordinal INTEGER NOT NULL, digest BLOB NOT NULL
  ) STRICT;
  CREATE TABLE staging.users (
    instance_id TEXT NOT NULL, id TEXT NOT NULL, email TEXT, name TEXT, avatar_url TEXT, provider TEXT,
    line INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (instance_id, id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE staging.clients (
    id TEXT PRIMARY KEY, key_id TEXT NOT NULL, secret_digest BLOB NOT NULL, line INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;`;

/**
 * Attaches an empty database to a connection, in which an import is staged. Its file has no name: no other process sees
 * it, and it vanishes with this process, however that ends. Secrets are sealed and digested as in the store.
 *
 * @returns stages one entry, or returns the issue with it
 */
export function attachStaging(db: Database, keys: MasterKeys): (line: number, entry: ImportEntry) => Issue | undefined {
  db.exec("ATTACH DATABASE '' AS staging");
  db.pragma("staging.synchronous = OFF");
  db.exec(TABLES);
  const instance = stageInstance(db, keys);
  const user = stageUser(db);
  const client = stageClient(db);
  return (line, entry) => {
    switch (entry.kind) {
      case "putInstance":
        return instance(line, entry);
      case "putUser":
        return user(line, entry);
      case "putClientDigest":
        return client(line, entry);
      case "putClient": {
        const { clientId, clientSecret } = entry;
        const secretDigest = clientSecretDigest(keys.current, clientId, clientSecret);
        return client(line, { kind: "putClientDigest", clientId, keyId: keys.current.id, secretDigest });
      }
    }
  };
}

function stageInstance(db: Database, keys: MasterKeys): (line: number, entry: PutInstance) => Issue | undefined {
  const lineOf = db.prepare<[string], number>("SELECT line FROM staging.instances WHERE id = ?").pluck();
  const ownerOf = db.prepare<[Buffer], { id: string; line: number }>(`
    SELECT i.id, i.line FROM staging.secret_keys k JOIN staging.instances i ON i.id = k.instance_id WHERE k.digest = ?`);
  const add = db.prepare("INSERT INTO staging.instances (id, app_id, line) VALUES (?, ?, ?)");
  const addKey = db.prepare(
    "INSERT INTO staging.secret_keys (instance_id, ordinal, digest, key_id, sealed) VALUES (?, ?, ?, ?, ?)",
  );
  const addDigest = db.prepare("INSERT INTO staging.digests (instance_id, ordinal, digest) VALUES (?, ?, ?)");
  return (line, { id, appId, secretKeys }) => {
    const before = lineOf.get(id);
    if (before !== undefined) return again(`the instance ${JSON.stringify(id)}`, before);
    add.run(id, appId, line);
    for (const [ordinal, secretKey] of secretKeys.entries()) {
      const digest = secretKeyDigest(keys.current, secretKey);
      const owner = ownerOf.get(digest);
      if (owner !== undefined) {
        const place = `instance.secretKeys[${ordinal}]`;
        if (owner.id === id) return { place, message: "is in the list twice: remove one of the two" };
        return { place, message: `is a key of line ${owner.line} already: give each instance keys of its own` };
      }
      addKey.run(id, ordinal, digest, keys.current.id, seal(keys, secretKey, sealedAt(id, digest)));
      for (const one of secretKeyDigests(keys, secretKey)) addDigest.run(id, ordinal, one);
    }
    return undefined;
  };
}

function stageUser(db: Database): (line: number, entry: PutUser) => Issue | undefined {
  const lineOf = db
    .prepare<[string, string], number>("SELECT line FROM staging.users WHERE instance_id = ? AND id = ?")
    .pluck();
  const add = db.prepare(`
    INSERT INTO staging.users (instance_id, id, email, name, avatar_url, provider, line) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING`);
  return (line, { instanceId, id, email, name, avatarUrl, provider }) => {
    if (add.run(instanceId, id, email, name, avatarUrl, provider, line).changes === 1) return undefined;
    return again(
      `the user ${JSON.stringify(id)} of the instance ${JSON.stringify(instanceId)}`,
      lineOf.get(instanceId, id) ?? 0,
    );
  };
}

function stageClient(db: Database): (line: number, entry: PutClientDigest) => Issue | undefined {
  const lineOf = db.prepare<[string], number>("SELECT line FROM staging.clients WHERE id = ?").pluck();
  const add = db.prepare(
    "INSERT INTO staging.clients (id, key_id, secret_digest, line) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
  );
  return (line, { clientId, keyId, secretDigest }) => {
    if (add.run(clientId, keyId, secretDigest, line).changes === 1) return undefined;
    return again(`the client ${JSON.stringify(clientId)}`, lineOf.get(clientId) ?? 0);
  };
}

function again(what: string, before: number): Issue {
  return { place: "", message: `puts ${what} again, after line ${before}: remove one of the two` };
}
