import type { Database } from "better-sqlite3";
import { AUDIT_START, auditHash } from "../audit.js";
import { type MasterKeys, masterKeyOf } from "../master-keys.js";
import { drawMark } from "../position.js";
import { type Revocation, revocationKey, SELECTOR_KINDS } from "../revocation.js";
import { SCHEMA_VERSION, tablesFor } from "../sql/schema.js";
import { drawStoreKey, type NewStoreKey, wrapStoreKey } from "../store-keys.js";

/** The `PRAGMA application_id` of a store: "TkVf". */
export const APPLICATION_ID = 0x546b5666;

/** What a migration works with. */
export interface MigrationContext {
  readonly masterKeys: MasterKeys;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** The two schemas that were SQLite's own, in order. */
const FIRST: readonly string[] = [
  `
  -- One row. Raising the position is the closing act of every change.
  CREATE TABLE feed_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    position INTEGER NOT NULL
  ) STRICT;
  INSERT INTO feed_head VALUES (1, lower(hex(randomblob(8))), 0);

  -- What each change touched: kind, and a JSON object of ids.
  CREATE TABLE feed (
    position INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    touched TEXT NOT NULL
  ) STRICT;

  -- Who did what, when (milliseconds since 1970). Never a secret.
  CREATE TABLE audit (
    position INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    command TEXT NOT NULL,
    subject TEXT NOT NULL
  ) STRICT;

  -- The master keys that this store may hold values under, by the ids that are derived from them: the check value
  -- that tells a wrong master key when the store is opened.
  CREATE TABLE master_keys (
    id TEXT PRIMARY KEY
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE secret_keys (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    key_id TEXT NOT NULL REFERENCES master_keys (id),
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    sealed TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX secret_keys_by_instance ON secret_keys (instance_id, ordinal);
  CREATE INDEX secret_keys_by_key ON secret_keys (key_id);

  CREATE TABLE users (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    email TEXT,
    name TEXT,
    avatar_url TEXT,
    provider TEXT,
    PRIMARY KEY (instance_id, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES master_keys (id),
    secret_digest BLOB NOT NULL CHECK (length(secret_digest) = 32)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX clients_by_key ON clients (key_id);

  -- By realm and jti, or by digest. until: seconds since 1970, NULL for good.
  CREATE TABLE revocations (
    realm TEXT,
    jti TEXT,
    digest TEXT,
    until INTEGER,
    CHECK (CASE WHEN digest IS NULL THEN realm IS NOT NULL AND jti IS NOT NULL ELSE realm IS NULL AND jti IS NULL END)
  ) STRICT;
  CREATE UNIQUE INDEX revocations_by_jti ON revocations (realm, jti) WHERE digest IS NULL;
  CREATE UNIQUE INDEX revocations_by_digest ON revocations (digest) WHERE digest IS NOT NULL;
  CREATE INDEX revocations_by_until ON revocations (until) WHERE until IS NOT NULL;
  `,
  `
  -- Key sets of issuers as they were fetched last, sealed, for the next start. No part of the directory.
  CREATE TABLE key_sets (
    realm TEXT NOT NULL,
    location TEXT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (realm, location)
  ) STRICT, WITHOUT ROWID;
`,
];

/** Brings a file from one version of its schema to the present one, in a transaction. */
export function migrateFrom(db: Database, version: number, context: MigrationContext): void {
  for (const text of FIRST.slice(version)) db.exec(text);
  if (version < SCHEMA_VERSION) toCommonSchema(db, context);
}

const TABLES = [
  "feed_head",
  "feed",
  "audit",
  "instances",
  "secret_keys",
  "users",
  "clients",
  "revocations",
  "key_sets",
];

/** The tables that SQLite shares with every other engine, with what the earlier ones held. */
function toCommonSchema(db: Database, { masterKeys, now }: MigrationContext): void {
  for (const table of TABLES) db.exec(`ALTER TABLE ${table} RENAME TO old_${table}`);
  for (const index of ["secret_keys_by_key", "clients_by_key", "secret_keys_by_instance"])
    db.exec(`DROP INDEX ${index}`);
  db.exec(tablesFor("sqlite").replace(/\{(\w+)\}/g, "$1"));
  const mark = drawMark();
  db.exec("INSERT INTO write_lock (id) VALUES (1)");
  db.prepare("INSERT INTO store (id, store_id, schema_version, created_at) VALUES (1, ?, ?, ?)").run(
    drawMark(),
    SCHEMA_VERSION,
    now,
  );
  db.prepare(`
    INSERT INTO feed_head (id, number, mark, min_reader, min_writer, keys_version, revocations, audited, audit_hash)
    SELECT 1, position, ?, 0, 0, 1, 0, (SELECT coalesce(max(position), 0) FROM old_audit), zeroblob(32)
    FROM old_feed_head`).run(mark);
  db.prepare(
    "INSERT INTO feed (number, mark, at, kind, touched) SELECT number, mark, ?, 'reset', '{}' FROM feed_head",
  ).run(now);
  adoptAudit(db);
  adoptKeys(db, masterKeys, now);
  db.prepare(`INSERT INTO instances (id, app_id, changed) SELECT id, app_id, 0 FROM old_instances`).run();
  db.prepare(`
    INSERT INTO secret_keys (digest, key_id, instance_id, ordinal, id, sealed, created_at)
    SELECT digest, 'l' || key_id, instance_id, ordinal, lower(hex(randomblob(8))), sealed, ? FROM old_secret_keys`).run(
    now,
  );
  db.prepare(`
    INSERT INTO users (instance_id, id, email, name, avatar_url, provider, changed)
    SELECT instance_id, id, email, name, avatar_url, provider, 0 FROM old_users`).run();
  db.prepare(`INSERT INTO clients (id, changed) SELECT id, 0 FROM old_clients`).run();
  db.prepare(`
    INSERT INTO client_secrets (client_id, ordinal, id, key_id, digest, created_at)
    SELECT id, 0, lower(hex(randomblob(8))), 'l' || key_id, secret_digest, ? FROM old_clients`).run(now);
  adoptRevocations(db, now);
  db.exec(
    `INSERT INTO key_sets (realm, location, fetched_at, sealed) SELECT realm, location, 0, sealed FROM old_key_sets`,
  );
  // Tables that refer to others go first.
  for (const table of ["secret_keys", "users", "clients", "instances"]) db.exec(`DROP TABLE old_${table}`);
  for (const table of ["feed_head", "feed", "audit", "revocations", "key_sets"]) db.exec(`DROP TABLE old_${table}`);
  db.exec("DROP TABLE master_keys");
}

/** The audit so far, with the hashes that it did not have. */
function adoptAudit(db: Database): void {
  type Old = { readonly position: number; readonly at: number } & Record<"actor" | "command" | "subject", string>;
  const add = db.prepare(`
    INSERT INTO audit (id, position, at, actor, command, subject, outcome, hash) VALUES (?, ?, ?, ?, ?, ?, 'done', ?)`);
  let hash = AUDIT_START;
  for (const old of db.prepare<[], Old>("SELECT * FROM old_audit ORDER BY position").all()) {
    const { position, at, actor, command, subject } = old;
    const row = { number: position, change: position, at, actor, requestId: null, command, subject, outcome: "done" };
    hash = auditHash(hash, row);
    add.run(position, position, at, actor, command, subject, hash);
  }
  db.prepare("UPDATE feed_head SET audit_hash = ?").run(hash);
}

/**
 * The store's own keys: those that its master keys derived so far, so that nothing has to be sealed or digested again. A
 * store without any gets random ones.
 */
function adoptKeys(db: Database, masterKeys: MasterKeys, now: number): void {
  const used = db.prepare<[], string>("SELECT id FROM master_keys").pluck().all();
  // The newest key is the one in use for new values: the current master key's.
  const masters = used.map((id) => masterKeyOf(masterKeys, id));
  masters.sort((a, b) => masterKeys.all.indexOf(b) - masterKeys.all.indexOf(a));
  const keys: NewStoreKey[] = masters.flatMap(({ id, lookupKey, sealKey }) => [
    { purpose: "lookup", id: `l${id}`, key: lookupKey },
    { purpose: "seal", id, key: sealKey },
  ]);
  if (keys.length === 0) keys.push(drawStoreKey("lookup"), drawStoreKey("seal"));
  const add = db.prepare("INSERT INTO store_keys (id, purpose, created_at) VALUES (?, ?, ?)");
  const wrap = db.prepare("INSERT INTO wrapped_keys (key_id, master_id, sealed) VALUES (?, ?, ?)");
  for (const [index, key] of keys.entries()) {
    add.run(key.id, key.purpose, now + index);
    for (const master of masterKeys.all) wrap.run(key.id, master.id, wrapStoreKey(master, key));
  }
}

/**
 * The revocations of the earlier form: a digest in any realm, or a `jti` in a realm, or in a realm, a `/` and an instance or
 * an issuer. Which of the two it was is not known here, so the token is revoked by both.
 */
function adoptRevocations(db: Database, now: number): void {
  type Old = {
    readonly realm: string | null;
    readonly jti: string;
    readonly digest: string | null;
    readonly until: number | null;
  };
  const realms = new Map<string, number>();
  const addRealm = db.prepare("INSERT INTO revoked_realms (number, name) VALUES (?, ?)");
  const add = db.prepare(`
    INSERT OR IGNORE INTO revocations
      (key, realm, kind, scope, signer, value, issued_before, exp, forget_at, changed, at, actor, comment)
    VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?, 0, ?, 'migration', '')`);
  for (const old of db.prepare<[], Old>("SELECT realm, jti, digest, until FROM old_revocations").all()) {
    for (const { selector, exp } of revocationsOf(old)) {
      const { realm, kind, value, instance, issuer } = selector;
      let number = realms.get(realm);
      if (number === undefined) {
        number = realms.size;
        realms.set(realm, number);
        addRealm.run(number, realm);
      }
      const scope = instance !== undefined ? 1 : issuer !== undefined ? 2 : 0;
      const forgetAt = exp === null ? null : exp + 86_400;
      const kindNumber = SELECTOR_KINDS.indexOf(kind);
      add.run(revocationKey(selector), number, kindNumber, scope, instance ?? issuer ?? "", value, exp, forgetAt, now);
    }
  }
  db.exec("UPDATE feed_head SET revocations = (SELECT count(*) FROM revocations)");
}

function revocationsOf(old: {
  readonly realm: string | null;
  readonly jti: string;
  readonly digest: string | null;
  readonly until: number | null;
}): readonly Revocation[] {
  const rest = { issuedBefore: null, exp: old.until };
  if (old.digest !== null) return [{ selector: { realm: "", kind: "digest", value: old.digest }, ...rest }];
  const [realm = "", ...signer] = (old.realm ?? "").split("/");
  const token = { realm, kind: "jti", value: old.jti } as const;
  if (signer.length === 0) return [{ selector: token, ...rest }];
  const name = signer.join("/");
  const scopes = [{ issuer: name }, ...(name === "" ? [] : [{ instance: name }])];
  return scopes.map((scope) => ({ selector: { ...token, ...scope }, ...rest }));
}
