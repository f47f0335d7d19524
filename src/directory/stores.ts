import type { Directory } from "./directory.js";
import { DirectoryError } from "./errors.js";
import { openSqliteDirectory, readSqliteDirectory, type SqliteOptions } from "./sqlite/directory.js";

/** What opening a store needs: its URL, and what every engine needs besides. */
export interface StoreOptions extends Omit<SqliteOptions, "path"> {
  /** `sqlite:` and the name of a file. */
  readonly url: string;
}

/**
 * Opens the store of a URL, and makes it if it does not exist.
 *
 * @throws DirectoryError `unusable` for wrong master keys, a foreign file or the store of a later version; `unavailable`
 * if it cannot be reached
 */
export function openStoreAt({ url, ...options }: StoreOptions): Directory {
  return openSqliteDirectory({ ...options, path: fileOf(url) });
}

/**
 * Opens the store of a URL to read it. Nothing is written, and every method that would write rejects.
 *
 * @returns undefined if the store does not exist, or was made and not yet filled
 * @throws DirectoryError as {@link openStoreAt}
 */
export function readStoreAt({
  url,
  ...options
}: Pick<StoreOptions, "url" | "masterKeys" | "clock">): Directory | undefined {
  return readSqliteDirectory({ ...options, path: fileOf(url) });
}

function fileOf(url: string): string {
  const [, file] = /^sqlite:(.+)$/.exec(url) ?? [];
  if (file === undefined)
    throw new DirectoryError("unusable", "The store's URL must be sqlite: and the name of a file.");
  return file;
}
