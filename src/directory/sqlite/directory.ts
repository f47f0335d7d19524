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
import { exportFrom } from "./export.js";
import { importInto } from "./import.js";
import { prepareKeySets } from "./key-sets.js";
import { type OpeningPatience, openStore } from "./open.js";
import { openToRead } from "./open-to-read.js";
import { prepareReads } from "./reads.js";
import { prepareWrites } from "./writes.js";

/** What a SQLite directory needs. */
export interface SqliteOptions {
  /** The store's file; made, with its folder, where it is absent. */
  readonly path: string;
  readonly masterKeys: MasterKeys;
  readonly clock: Clock;
  /** Milliseconds to wait for another process's lock. SQLite waits synchronously, so everything waits. Default 250. */
  readonly busyTimeout?: number;
  /** How long a lock is waited for while the file is opened. */
  readonly opening?: OpeningPatience;
  /** How many feed rows to keep: a follower further behind starts anew. Default 100,000. */
  readonly feedRetention?: number;
}

/**
 * Opens the embedded directory: one SQLite file, shared by the processes of one machine.
 *
 * @throws DirectoryError `unusable` for wrong master keys, a later version's store or a foreign file; `unavailable` where
 * the file cannot be reached
 */
export function openSqliteDirectory(options: SqliteOptions): Directory {
  return guarded(() => {
    const { path, masterKeys, clock, busyTimeout = 250, opening, feedRetention = 100_000 } = options;
    const connect = (): Database => openStore(path, masterKeys, busyTimeout, opening);
    const db = connect();
    return directoryOn({ db, connect, checkSame: sameFile(path) }, masterKeys, clock, feedRetention);
  });
}

/**
 * Opens the embedded directory to read it: nothing is written, and whatever would write rejects. No schema is brought up
 * to date, no master key is let in or dropped.
 *
 * @returns undefined where there is no such file, or one that was made and not yet filled
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
 * Makes a check that the store's file is still the one that was opened. SQLite would go on reading the old file for ever
 * where another was moved into its place, and revocations in the new one would never be heard of.
 */
function sameFile(path: string): () => void {
  const opened = statSync(path);
  return () => {
    const now = statSync(path, { throwIfNoEntry: false });
    if (now?.ino === opened.ino && now.dev === opened.dev) return;
    throw new DirectoryError("unavailable", now === undefined ? removed(path) : replaced(path));
  };
}

// Who only restarts after a loss has the seed back: callers that were removed, and none of the revocations.
const removed = (path: string): string =>
  `The store ${path} was removed while it was in use. Stop the service, restore the backup, start. ` +
  "A start without it begins anew from the seed and forgets what was changed since, revocations too.";

const replaced = (path: string): string =>
  `The store ${path} was replaced while it was in use. See that the file there now is the right one, then restart the ` +
  "service: what that file lacks is forgotten, revocations too.";

/** How many revocations are read in one turn of the event loop: about a millisecond's worth. */
const PAGE = 500;

/**
 * Reads all revocations a page at a time, and lets the process do something else in between. They are given with the
 * position of the first page: what is revoked while the others are read is told by the feed after it.
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
    // Half of one history and half of another are neither's.
    if (page.position.epoch !== position.epoch) return allRevocations(read);
  }
}

/** A store's file, opened. */
interface Store {
  readonly db: Database;
  /** Another connection to it, for what would keep the first one busy. */
  readonly connect: () => Database;
  readonly checkSame: () => void;
}

function directoryOn({ db, connect, checkSame }: Store, keys: MasterKeys, clock: Clock, retention: number): Directory {
  const reads = prepareReads(db, keys);
  const keySets = prepareKeySets(db, keys);
  const write = prepareWrites(db, keys, clock, retention);
  const applyAll = db.transaction((commands: Parameters<Directory["apply"]>[0], actor: string) => {
    // Whether a secret key is taken can only be told by one who has every master key of the store.
    reads.needAllKeys();
    for (const command of commands) write(command, actor);
    return reads.position();
  });
  /** A connection of its own, to the file that this directory has open. */
  const another = (): Database =>
    guarded(() => {
      reads.position(); // throws where the directory is closed
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
