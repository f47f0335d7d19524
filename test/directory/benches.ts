import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import pg from "pg";
import type { Directory } from "../../src/directory/directory.js";
import { deriveMasterKeys, type MasterKeys } from "../../src/directory/master-keys.js";
import { getTypeParser } from "../../src/directory/postgres/connection.js";
import { openPostgresStore } from "../../src/directory/postgres/store.js";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import type { SqlStore, StoreSettings } from "../../src/directory/sql/store.js";
import { openSqliteStore, type SqliteOptions } from "../../src/directory/sqlite/store.js";
import type { StoreAddress } from "../../src/directory/stores.js";
import { Secret } from "../../src/util/secret.js";
import { sharedPostgres } from "../support/shared-postgres.js";

/** The time at which tests run, in milliseconds since 1970. */
const NOW = 1_800_000_000_000;

/** Master keys made of one repeated byte each, the current one first. */
const keysOf = (...bytes: readonly number[]): MasterKeys =>
  deriveMasterKeys(bytes.map((byte) => new Secret(Buffer.alloc(32, byte).toString("base64"))));

/** What a test may set of a store; by default its clock says {@link NOW}, and its master key is made of the byte 1. */
export type BenchOptions = Partial<StoreSettings & Pick<SqliteOptions, "busyTimeout" | "opening"> & { pool: number }>;

/** A store of its own for one test, which does not exist before it is opened first. */
export interface StoreBench {
  readonly address: StoreAddress;
  /** Opens the store as another process does. */
  store(options?: BenchOptions): Promise<SqlStore>;
  /** Opens the store as another process does, and makes a directory of it. */
  open(options?: BenchOptions): Promise<Directory>;
  /** Runs a statement that both engines know, past the program. @returns rows, whole numbers as numbers and bytes as Buffers */
  sql<Row = Record<string, unknown>>(text: string): Promise<Row[]>;
  /** Closes what was opened and removes the store. */
  release(): Promise<void>;
}

/** An engine on which the same tests run. */
export interface EngineBench {
  readonly engine: "SQLite" | "PostgreSQL";
  /** Makes a bench. @param context of the hook that calls it; the tests are skipped where PostgreSQL cannot run */
  start(context: Mocha.Context): Promise<StoreBench>;
}

/** All engines. */
export const BENCHES: readonly EngineBench[] = [
  { engine: "SQLite", start: async () => sqliteBench() },
  {
    engine: "PostgreSQL",
    start: async (context) => {
      const shared = await sharedPostgres(context);
      return postgresBench(new URL(await shared.freshDatabase()));
    },
  },
];

/** A bench of SQLite alone. */
export function sqliteBench(): StoreBench {
  const folder = mkdtempSync(join(tmpdir(), "directory-test-"));
  const file = join(folder, "verifier.db");
  return bench({
    address: { engine: "sqlite", file },
    open: (options) => openSqliteStore({ ...options, path: file }),
    sql: async (text) => {
      const db = new Database(file);
      try {
        const statement = db.prepare(text);
        if (statement.reader) return statement.all();
        statement.run();
        return [];
      } finally {
        db.close();
      }
    },
    release: async () => rmSync(folder, { recursive: true, force: true }),
  });
}

function postgresBench({ hostname: host, port, pathname, username: user, password }: URL): StoreBench {
  const [database, schema] = [pathname.slice(1), "token_verifier"];
  const place = { host, port: Number(port), database, user, schema, tls: false as const };
  const address = { ...place, password: async () => new Secret(decodeURIComponent(password)) };
  return bench({
    address: { engine: "postgres", pool: 4, ...address },
    open: (options) => openPostgresStore({ ...options, address: { ...address, applicationName: "test" } }),
    sql: async (text) => {
      const client = new pg.Client({
        ...place,
        password: decodeURIComponent(password),
        ssl: false,
        types: { getTypeParser },
      });
      await client.connect();
      try {
        return (
          ((await client.query(`SET search_path TO ${schema}; ${text}`)) as unknown as pg.QueryResult[]).at(-1)?.rows ??
          []
        );
      } finally {
        await client.end();
      }
    },
    // The database itself goes after the file's tests.
    release: async () => {},
  });
}

interface Parts {
  readonly address: StoreAddress;
  readonly open: (options: BenchOptions & Pick<StoreSettings, "clock" | "masterKeys">) => Promise<SqlStore>;
  readonly sql: (text: string) => Promise<unknown[]>;
  readonly release: () => Promise<void>;
}

function bench({ address, open, sql, release }: Parts): StoreBench {
  const opened: SqlStore[] = [];
  const store = async (options: BenchOptions = {}): Promise<SqlStore> => {
    const made = await open({ masterKeys: keysOf(1), clock: () => NOW, ...options });
    opened.push(made);
    return made;
  };
  return {
    address,
    store,
    open: async (options) => sqlDirectory(await store(options)),
    sql: <Row>(text: string) => sql(text) as Promise<Row[]>,
    release: async () => {
      for (const { engine } of opened) await engine.close();
      await release();
    },
  };
}
