import Database from "better-sqlite3";
import { DirectoryError, type DirectoryErrorCode } from "../errors.js";

/** The meaning of SQLite's result codes, by prefix; the first match counts. */
const MEANINGS: readonly (readonly [prefix: string, code: DirectoryErrorCode, message: string])[] = [
  [
    "SQLITE_BUSY",
    "unavailable",
    "is locked by another process. Look for a second service, an import or a backup that uses its file, and try again.",
  ],
  ["SQLITE_LOCKED", "unavailable", "is locked. Try again."],
  ["SQLITE_FULL", "unavailable", "has no space left on its disk. Free some, then try again."],
  ["SQLITE_IOERR", "unavailable", "cannot be read or written. Check its disk, then try again."],
  ["SQLITE_NOMEM", "unavailable", "ran out of memory. Give the process more, then try again."],
  ["SQLITE_PROTOCOL", "unavailable", "is contended by too many processes. Try again."],
  ["SQLITE_CANTOPEN", "unavailable", "cannot be opened. Check that the file and its folder may be read and written."],
  ["SQLITE_READONLY", "unavailable", "cannot be written. Check that the file and its folder may be written."],
  ["SQLITE_PERM", "unavailable", "may not be opened. Check that the file and its folder may be read and written."],
  [
    "SQLITE_NOTADB",
    "unusable",
    "is no SQLite file. Restore it from a backup if it was one, or name another file as store.",
  ],
  ["SQLITE_CORRUPT", "unusable", "is damaged. Restore it from a backup."],
];

/** Runs work on the store, and turns SQLite's errors into a {@link DirectoryError}. SQLite's own messages may quote SQL. */
export function guarded<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw directoryError(error);
  }
}

/** The DirectoryError of an error from SQLite; any other error as it is. */
export function directoryError(error: unknown): unknown {
  if (error instanceof DirectoryError) return error;
  if (error instanceof Database.SqliteError) {
    const [, code, message] = MEANINGS.find(([prefix]) => error.code.startsWith(prefix)) ?? [
      "",
      "unusable" as const,
      "returned an unexpected error. Restore it from a backup, and report this.",
    ];
    return new DirectoryError(code, `The store ${message} (${error.code})`);
  }
  // better-sqlite3 throws a TypeError.
  if (error instanceof TypeError && error.message.includes("database connection is not open")) {
    return new DirectoryError("unavailable", "The store is closed. Open it again.");
  }
  return error;
}
