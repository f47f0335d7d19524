import { statSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import type { Database } from "better-sqlite3";
import type { Clock } from "../../util/clock.js";
import { checkActor, checkCommand } from "../commands.js";
import type { Directory } from "../directory.js";
import { DirectoryError } from "../errors.js";
import type { Positioned } from "../feed.js";
import type { MasterKeys } from "../master-keys.js";
import type { Revocation } from "../model.js";
import { directoryError, guarded } from "./errors.js";
import { importInto } from "./import.js";
import { prepareKeySets } from "./key-sets.js";
import { type OpeningOptions, openToRead, openToWrite } from "./open.js";
import { exportFrom, prepareReads } from "./reads.js";
import { prepareWrites } from "./writes.js";

/** What opening a SQLite store needs. */
export interface SqliteOptions {
  /** The store's file. It is made, with its folder, if it does not exist. */
  readonly path: string;
  readonly masterKeys: MasterKeys;
  readonly clock: Clock;
  /** Milliseconds to wait for another process's lock. SQLite waits synchronously, so the whole process does. Default 250. */
  readonly busyTimeout?: number;
  /** How long opening waits for a lock. */
  readonly opening?: OpeningOptions;
  /** How many feed rows to keep; a follower that is further behind starts again with a reset. Default 100,000. */
  readonly feedRetention?: number;
}

/**
 * Opens the embedded directory: one SQLite file, shared by the processes of one machine.
 *
 * @throws DirectoryError `unusable` for wrong master keys, a foreign file or the store of a later version; `unavailable`
 * if the file cannot be reached
 */
export function openSqliteDirectory(options: SqliteOptions): Directory {
  return guarded(() => {
    const { path, masterKeys, clock, busyTimeout = 250, opening, feedRetention = 100_000 } = options;
    const connect = (): Database => openToWrite(path, masterKeys, busyTimeout, opening);
    const db = connect();
    return directoryOn({ db, connect, checkSame: sameFile(path) }, masterKeys, clock, feedRetention);
  });
}

/**
 * Opens the embedded directory to read it. Nothing is written, and every method that would write rejects.
 *
 * @returns undefined if there is no such file, or one that was made and not yet filled
 * @throws DirectoryError as {@link openSqliteDirectory}
 */
export function readSqliteDirectory({
  path,
  masterKeys,
  clock,
}: Pick<SqliteOptions, "path" | "masterKeys" | "clock">): Directory | undefined {
  return guarded(() => {
    const db = openToRead(path, masterKeys);
    if (db === undefined) return undefined;
    const connect = (): Database => {
      const another = openToRead(path, masterKeys);
      if (another === undefined) throw new DirectoryError("unavailable", removed(path));
      return another;
    };
    return directoryOn({ db, connect, checkSame: sameFile(path) }, masterKeys, clock, 0);
  });
}

/**
 * Makes a check that the store's file is still the one that was opened. If another was moved into its place, SQLite would
 * go on reading the old file, and revocations in the new one would be missed.
 */
function sameFile(path: string): () => void {
  const opened = statSync(path);
  return () => {
    const now = statSync(path, { throwIfNoEntry: false });
    if (now?.ino === opened.ino && now.dev === opened.dev) return;
    throw new DirectoryError("unavailable", now === undefined ? removed(path) : replaced(path));
  };
}

// A restart alone would load the seed again: removed callers would return, and all revocations would be lost.
const removed = (path: string): string =>
  `The store ${path} was removed while it was in use. Stop the service, restore a backup, and start it. ` +
  "A start without the backup loads the seed again and forgets all later changes, revocations too.";

const replaced = (path: string): string =>
  `The store ${path} was replaced while it was in use. Check that it is now the right file, then restart the ` +
  "service: what that file lacks is forgotten, revocations too.";

/** Revocations read in one turn of the event loop: about a millisecond. */
const PAGE = 500;

/**
 * Reads all revocations in pages, and lets the process do other work in between. Their position is that of the first page:
 * the feed after it has the revocations that were made while the other pages were read.
 */
async function allRevocations(
  read: (after: number | undefined) => Positioned<readonly Revocation[]> & { readonly last: number | undefined },
): Promise<Positioned<readonly Revocation[]>> {
  let page = read(undefined);
  const { position } = page;
  const value: Revocation[] = [];
  for (;;) {
    value.push(...page.value);
    if (page.last === undefined || page.value.length < PAGE) return { value, position };
    await turn();
    page = read(page.last);
    // Pages of two histories do not make one list.
    if (page.position.epoch !== position.epoch) return allRevocations(read);
  }
}

/** An open store's file. */
interface OpenFile {
  readonly db: Database;
  /** Opens another connection to the file, for work that would keep the first one busy. */
  readonly connect: () => Database;
  readonly checkSame: () => void;
}

function directoryOn(
  { db, connect, checkSame }: OpenFile,
  keys: MasterKeys,
  clock: Clock,
  retention: number,
): Directory {
  const reads = prepareReads(db, keys);
  const keySets = prepareKeySets(db, keys);
  const write = prepareWrites(db, keys, clock, retention);
  const applyAll = db.transaction((commands: Parameters<Directory["apply"]>[0], actor: string) => {
    // A secret key may be stored under any master key of the store: without all of them, a taken one could be missed.
    reads.needAllKeys();
    for (const command of commands) write(command, actor);
    return reads.position();
  });
  /** Another connection to the file that this directory has open. */
  const another = (): Database =>
    guarded(() => {
      reads.position(); // throws if the directory is closed
      checkSame();
      return connect();
    });
  return {
    instance: async (secretKey) => guarded(() => reads.instance(secretKey)),
    client: async (clientId) => guarded(() => reads.client(clientId)),
    user: async (instanceId, userId) => guarded(() => reads.user(instanceId, userId)),
    revocations: () => allRevocations((after) => guarded(() => reads.revocations(after, PAGE))),
    changes: async (after, limit) =>
      guarded(() => {
        checkSame();
        return reads.changes(after, limit);
      }),
    position: async () => guarded(() => reads.position()),
    isEmpty: async () => guarded(() => reads.position().number === 0),
    apply: async (commands, actor) => {
      checkActor(actor);
      for (const command of commands) checkCommand(command);
      return guarded(() => (commands.length === 0 ? reads.position() : applyAll.immediate(commands, actor)));
    },
    import: async (lines, options, actor) => {
      checkActor(actor);
      const own = another();
      try {
        return await importInto({ db: own, keys, clock, retention }, lines, options, actor);
      } catch (error) {
        throw directoryError(error);
      } finally {
        own.close();
      }
    },
    async *export() {
      const own = another();
      try {
        yield* exportFrom(own, keys);
      } catch (error) {
        throw directoryError(error);
      } finally {
        own.close();
      }
    },
    keySets: async () => guarded(() => keySets.all()),
    saveKeySet: async (set) => guarded(() => keySets.put(set)),
    resealKeySets: async () => guarded(() => keySets.reseal()),
    removeKeySets: async (before, except) => guarded(() => keySets.remove(before, except)),
    close: async () => guarded(() => void db.close()),
  };
}
