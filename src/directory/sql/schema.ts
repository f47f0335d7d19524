import type { Engine } from "./sql.js";

// The tables of a store, the same on every engine.

/** The version of the schema that this program makes. A released version is never changed: a next one adds to it. */
export const SCHEMA_VERSION = 3;

/** The number of this program for a store's `min_reader` and `min_writer`: what it can honour and write. */
export const FORMAT = 1;

/** The tables of a store, in an order in which they can be made. */
export const TABLES = `
  -- One row, locked last in every change: its order is the order of the feed.
  CREATE TABLE {feed_head} (
    id int PRIMARY KEY CHECK (id = 1),
    -- The number of changes, and random text of the commit that made the last one.
    number int NOT NULL,
    mark text NOT NULL,
    -- Programs of a lower format must not read, or write, this store.
    min_reader int NOT NULL,
    min_writer int NOT NULL,
    -- Raised whenever {store_keys} changes.
    keys_version int NOT NULL,
    -- Rows of {revocations}.
    revocations int NOT NULL,
    -- The last row of {audit}, and its hash.
    audited int NOT NULL,
    audit_hash bytes NOT NULL
  );

  -- One row, which hardly ever changes.
  CREATE TABLE {store} (
    id int PRIMARY KEY CHECK (id = 1),
    store_id text NOT NULL,
    schema_version int NOT NULL,
    created_at int NOT NULL,
    -- Where the store was copied to; nothing is read from it any more.
    moved_to text
  );

  -- One row, locked first by every change that checks before it writes.
  CREATE TABLE {write_lock} (id int PRIMARY KEY CHECK (id = 1));

  -- What each change touched: kind, and a JSON object.
  CREATE TABLE {feed} (
    number int PRIMARY KEY,
    mark text NOT NULL,
    at int NOT NULL,
    kind text NOT NULL,
    touched text NOT NULL
  );

  -- Who did what, when (milliseconds since 1970). Never a secret. position is NULL for what changed nothing.
  CREATE TABLE {audit} (
    id int PRIMARY KEY,
    position int,
    at int NOT NULL,
    actor text NOT NULL,
    request_id text,
    command text NOT NULL,
    subject text NOT NULL,
    outcome text NOT NULL,
    -- SHA-256 of the hash of the row before it and this one.
    hash bytes NOT NULL
  );
  CREATE INDEX audit_by_at ON {audit} (at);

  -- The answers to recent requests, so that a repeated one is not carried out again.
  CREATE TABLE {requests} (
    id text PRIMARY KEY,
    at int NOT NULL,
    -- An HMAC of what was asked, under a look-up key of the store.
    digest bytes NOT NULL,
    -- The answer as JSON.
    answer text NOT NULL
  );
  CREATE INDEX requests_by_at ON {requests} (at);

  -- The keys that values of this store are sealed and looked up under. purpose: 'lookup' or 'seal'.
  CREATE TABLE {store_keys} (
    id text PRIMARY KEY,
    purpose text NOT NULL,
    -- The newest key of a purpose is the one in use for new values.
    created_at int NOT NULL
  );
  -- Each of them once for every master key that opens it.
  CREATE TABLE {wrapped_keys} (
    key_id text NOT NULL REFERENCES {store_keys} (id) ON DELETE CASCADE,
    master_id text NOT NULL,
    sealed text NOT NULL,
    PRIMARY KEY (key_id, master_id)
  );

  -- changed: the number of the change that wrote the entry last.
  CREATE TABLE {instances} (
    id text PRIMARY KEY,
    app_id text NOT NULL,
    changed int NOT NULL
  );
  CREATE TABLE {secret_keys} (
    digest bytes PRIMARY KEY,
    key_id text NOT NULL REFERENCES {store_keys} (id),
    instance_id text NOT NULL REFERENCES {instances} (id) ON DELETE CASCADE,
    ordinal int NOT NULL,
    -- What operators name the secret by; random.
    id text NOT NULL,
    sealed text NOT NULL,
    created_at int NOT NULL,
    -- Milliseconds since 1970 from which the secret no longer counts; NULL for one in use.
    retires_at int,
    UNIQUE (instance_id, ordinal)
  );
  CREATE INDEX secret_keys_by_key ON {secret_keys} (key_id);
  CREATE TABLE {users} (
    instance_id text NOT NULL REFERENCES {instances} (id) ON DELETE CASCADE,
    id text NOT NULL,
    email text,
    name text,
    avatar_url text,
    provider text,
    changed int NOT NULL,
    PRIMARY KEY (instance_id, id)
  );
  CREATE TABLE {clients} (
    id text PRIMARY KEY,
    changed int NOT NULL
  );
  CREATE TABLE {client_secrets} (
    client_id text NOT NULL REFERENCES {clients} (id) ON DELETE CASCADE,
    ordinal int NOT NULL,
    id text NOT NULL,
    key_id text NOT NULL REFERENCES {store_keys} (id),
    digest bytes NOT NULL,
    created_at int NOT NULL,
    retires_at int,
    PRIMARY KEY (client_id, ordinal)
  );
  CREATE INDEX client_secrets_by_key ON {client_secrets} (key_id);

  -- The realms of revocations, numbered so that a row in memory names its realm in two bytes.
  CREATE TABLE {revoked_realms} (
    number int PRIMARY KEY,
    name text NOT NULL UNIQUE
  );
  -- key: the first 12 bytes of the digest of the selector. The texts are for lists alone.
  CREATE TABLE {revocations} (
    key bytes PRIMARY KEY,
    realm int NOT NULL REFERENCES {revoked_realms} (number),
    -- Positions in SELECTOR_KINDS; scope: 0 none, 1 an instance, 2 an issuer.
    kind int NOT NULL,
    scope int NOT NULL,
    signer text NOT NULL,
    value text NOT NULL,
    -- Seconds since 1970; NULL for none.
    issued_before int,
    exp int,
    -- Seconds since 1970 from which the row may be removed; NULL for never.
    forget_at int,
    changed int NOT NULL,
    at int NOT NULL,
    actor text NOT NULL,
    comment text NOT NULL
  );
  CREATE INDEX revocations_by_forget_at ON {revocations} (forget_at);
  CREATE INDEX revocations_by_kind ON {revocations} (kind) WHERE kind > 0;

  -- Key sets of issuers as they were fetched last, sealed, for the next start. No part of the directory.
  CREATE TABLE {key_sets} (
    realm text NOT NULL,
    location text NOT NULL,
    fetched_at int NOT NULL,
    sealed text NOT NULL,
    PRIMARY KEY (realm, location)
  );

  -- The processes that serve from this store, each of which writes its row every 5 s.
  CREATE TABLE {replicas} (
    id text PRIMARY KEY,
    version text NOT NULL,
    format int NOT NULL,
    started_at int NOT NULL,
    seen int NOT NULL,
    number int NOT NULL,
    mark text NOT NULL,
    -- A JSON list of the ids of its master keys.
    master_keys text NOT NULL,
    clock_offset int NOT NULL
  );`;

const TYPES = {
  sqlite: { int: "INTEGER", text: "TEXT", bytes: "BLOB" },
  // Order and equality by code point, as SQLite has them.
  postgres: { int: "bigint", text: 'text COLLATE "C"', bytes: "bytea" },
} as const;

/** {@link TABLES} in the words of an engine, its tables still in braces. */
export function tablesFor(dialect: Engine["dialect"]): string {
  return typed(TABLES, dialect).replace(/\n {2}\);/g, dialect === "sqlite" ? "\n  ) STRICT;" : "\n  );");
}

/** The text of tables with the types of an engine. */
export function typed(tables: string, dialect: Engine["dialect"]): string {
  const types = TYPES[dialect];
  return tables.replace(
    /^(\s+\w+ |CREATE TABLE \{write_lock\} \(id )(int|text|bytes)\b/gm,
    (_, before: string, type: keyof typeof types) => before + types[type],
  );
}
