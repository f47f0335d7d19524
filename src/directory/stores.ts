import type { ConnectionOptions } from "node:tls";
import type { Secret } from "../util/secret.js";
import { migratePostgres, openPostgresStore } from "./postgres/store.js";
import type { SqlStore, StoreSettings } from "./sql/store.js";
import { sqliteVersion } from "./sqlite/open.js";
import { openSqliteStore, readSqliteStore, type SqliteOptions } from "./sqlite/store.js";

/** Where a store is: a file, or a database and how to connect to it. */
export type StoreAddress =
  | { readonly engine: "sqlite"; readonly file: string }
  | {
      readonly engine: "postgres";
      /** A host name, an IP address, or the folder of a unix socket. */
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly user: string;
      /** Called for every new connection. */
      readonly password: () => Promise<Secret | undefined>;
      /** False for no TLS. */
      readonly tls: ConnectionOptions | false;
      /** The schema of the tables. */
      readonly schema: string;
      /** The most connections for look-ups and changes; the feed has one more. */
      readonly pool: number;
    };

/** What opening a store needs: its address, and what every engine needs besides. */
export interface StoreOptions extends StoreSettings, Pick<SqliteOptions, "busyTimeout" | "opening"> {
  readonly address: StoreAddress;
  /** Names this process to the database. */
  readonly replica?: string | undefined;
}

/**
 * Opens a store, and makes it if it does not exist.
 *
 * @throws DirectoryError `unusable` for wrong master keys, a foreign file or schema, or the store of a later version;
 * `unavailable` if it cannot be reached
 */
export function openStoreAt({ address, ...options }: StoreOptions): Promise<SqlStore> {
  if (address.engine === "sqlite") return openSqliteStore({ ...options, path: address.file });
  const applicationName = `token-verifier/${options.replica ?? "command"}`;
  return openPostgresStore({ ...options, pool: address.pool, address: { ...address, applicationName } });
}

/**
 * Makes a store, or brings its schema up to date.
 *
 * @param grantTo a user of PostgreSQL who is to use the schema besides the one that makes it
 * @returns true if anything was done
 * @throws DirectoryError as {@link openStoreAt}
 */
export async function migrateStoreAt({ address, ...options }: StoreOptions, grantTo?: string): Promise<boolean> {
  if (address.engine === "postgres") {
    return migratePostgres({ ...options, address: { ...address, applicationName: "token-verifier/migrate" } }, grantTo);
  }
  const before = sqliteVersion(address.file);
  await (await openSqliteStore({ ...options, path: address.file })).engine.close();
  return sqliteVersion(address.file) !== before;
}

/**
 * Opens a store to read it. Nothing is written, and every change is refused.
 *
 * @returns undefined if the store does not exist, or was made and not yet filled
 * @throws DirectoryError as {@link openStoreAt}
 */
export async function readStoreAt({ address, ...options }: StoreOptions): Promise<SqlStore | undefined> {
  if (address.engine === "sqlite") return readSqliteStore({ ...options, path: address.file });
  return openStoreAt({ address, ...options });
}
