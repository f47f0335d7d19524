/** The `PRAGMA application_id` of a store: "TkVf". */
export const APPLICATION_ID = 0x546b5666;

/**
 * The migrations, in order; `PRAGMA user_version` is the number applied to a file. A released migration is never changed:
 * a new one follows it.
 */
export const MIGRATIONS: readonly string[] = [
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
