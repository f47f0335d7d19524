import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Config } from "../config/load.js";
import type { Directory, KnownDirectory } from "../directory/directory.js";
import { DirectoryCache } from "../directory/directory-cache.js";
import { DirectoryError } from "../directory/errors.js";
import { startFeedPoller } from "../directory/feed-poller.js";
import { deriveMasterKeys, type MasterKeys } from "../directory/master-keys.js";
import { type OnRead, observeReads } from "../directory/observe-reads.js";
import { openStoreAt, readStoreAt, type StoreOptions } from "../directory/stores.js";
import { tell } from "../observability/lines.js";
import type { Clock } from "../util/clock.js";
import { seed } from "./seed.js";

// The store of a configuration: opens it, seeds a new one, and follows its change feed.

/** An open directory and the master keys that seal its secrets. */
export interface OpenDirectory {
  readonly directory: Directory;
  readonly masterKeys: MasterKeys;
}

/** File of a configuration's store. */
export const storePath = ({ store }: Pick<Config, "store">): string => store.url.replace(/^sqlite:/, "");

/**
 * Opens the directory of a configuration that has a master key, and makes the store if there is none.
 *
 * @param locking how long to wait for another process's lock; default: the engine's
 * @throws {DirectoryError} if the store cannot be used
 */
export function openDirectory(
  config: Config,
  clock: Clock,
  locking: Pick<StoreOptions, "busyTimeout" | "opening"> = {},
): OpenDirectory {
  const masterKeys = deriveMasterKeys(config.masterKeys);
  return { directory: openStoreAt({ url: config.store.url, masterKeys, clock, ...locking }), masterKeys };
}

/**
 * Opens the directory of a configuration for reading; writes nothing.
 *
 * @returns undefined if there is no store yet
 * @throws {DirectoryError} if the store cannot be used
 */
export function readDirectory(config: Config, clock: Clock): OpenDirectory | undefined {
  const masterKeys = deriveMasterKeys(config.masterKeys);
  const directory = readStoreAt({ url: config.store.url, masterKeys, clock });
  return directory && { directory, masterKeys };
}

/** What opening the store needs besides the configuration. */
export interface StoreContext {
  readonly clock: Clock;
  readonly log: Logger;
  /** Called each time the directory cannot be read. */
  readonly onDirectoryFailure?: () => void;
  /** Called after each read of the store. */
  readonly onRead?: OnRead;
  /** The real time in milliseconds since 1970; given, the store is opened for reading only. */
  readonly readOnlyAt?: number;
}

/** A store that is open and followed. */
export interface FollowedStore {
  readonly known: DirectoryCache & KnownDirectory;
  readonly directory: Directory;
  /** Why the last read failed, for operators; undefined if it succeeded. */
  readonly trouble: () => string | undefined;
  /** Stops following, and closes the store. */
  close(): Promise<void>;
}

/**
 * Opens the store of a configuration, loads the seed if the store is new, and follows the change feed.
 *
 * @returns undefined without a master key: without one there is no store
 * @throws {ConfigError} if the seed cannot be used, {DirectoryError} if the store cannot
 */
export async function openStore(config: Config, context: StoreContext): Promise<FollowedStore | undefined> {
  if (config.masterKeys.length === 0) return undefined;
  const { clock, log, onRead = () => {}, readOnlyAt } = context;
  const { directory, masterKeys } =
    readOnlyAt === undefined ? await openSeeded(config, clock, log) : await readOrSeedAside(config, clock, log);
  try {
    const known = new DirectoryCache({
      directory: observeReads(directory, clock, onRead),
      masterKeys,
      clock,
      staleFor: config.store.staleFor,
    });
    await known.follow();
    const following = follow(known, context);
    const close = async (): Promise<void> => {
      await following.stop();
      await directory.close();
    };
    return { known, directory, trouble: following.trouble, close };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/** Opens the store for reading and writing, and loads the seed if the store is new. */
async function openSeeded(config: Config, clock: Clock, log: Logger): Promise<OpenDirectory> {
  const file = storePath(config);
  const [isNew, isLost] = [!existsSync(file), existsSync(`${file}-wal`)];
  const open = openDirectory(config, clock, {
    opening: { onLocked: (timeout) => tell(log, "store locked", { file, wait: timeout }) },
  });
  try {
    // A write-ahead log without its store means that the store was lost.
    if (isNew) tell(log, "store made", { file }, isLost ? "warn" : "info");
    await seed(open.directory, config.directory, log);
    return open;
  } catch (error) {
    await open.directory.close();
    throw error;
  }
}

/**
 * Opens the store of a configuration for reading. Where there is no store, or an empty one, the seed fills a temporary
 * store beside it, which is removed on close: a command that only reads must not make the real one, because the next
 * start would take it for new and hide that an earlier store was lost.
 *
 * @throws {ConfigError} if the seed cannot be used, {DirectoryError}
 */
async function readOrSeedAside(config: Config, clock: Clock, log: Logger): Promise<OpenDirectory> {
  const stored = readDirectory(config, clock);
  if (stored !== undefined && !(await stored.directory.isEmpty())) return stored;
  const aside = await seedAside(config, clock, log).catch(async (error: unknown) => {
    await stored?.directory.close();
    throw error;
  });
  if (stored === undefined) return aside;
  const { directory, masterKeys } = aside;
  return {
    masterKeys,
    directory: {
      ...directory,
      // A store without entries may still hold fetched key sets.
      keySets: () => stored.directory.keySets(),
      close: async () => {
        await stored.directory.close();
        await directory.close();
      },
    },
  };
}

async function seedAside(config: Config, clock: Clock, log: Logger): Promise<OpenDirectory> {
  const folder = mkdtempSync(join(tmpdir(), "token-verifier-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const url = `sqlite:${join(folder, "verifier.db")}`;
    const { directory, masterKeys } = openDirectory({ ...config, store: { ...config.store, url } }, clock);
    const close = async (): Promise<void> => {
      await directory.close();
      remove();
    };
    await seed(directory, config.directory, log).catch(async (error: unknown) => {
      await close();
      throw error;
    });
    return { masterKeys, directory: { ...directory, close } };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Follows the change feed, and logs failures and recoveries. */
function follow(
  known: Pick<DirectoryCache, "follow" | "isFresh">,
  { clock, log, onDirectoryFailure = () => {} }: StoreContext,
): { readonly trouble: () => string | undefined; readonly stop: () => Promise<void> } {
  let trouble: string | undefined;
  // The end of verdicts is logged at once, and then about once a minute.
  let isLogged = false;
  const poller = startFeedPoller({
    follow: () =>
      known.follow().then(
        () => {
          isLogged = false;
          trouble = undefined;
        },
        (err: unknown) => {
          onDirectoryFailure();
          // Only a DirectoryError's message is written for operators.
          trouble = err instanceof DirectoryError ? err.message : "an unexpected fault: see the log";
          if (!isLogged && !known.isFresh(clock())) {
            isLogged = true;
            tell(log, "directory cannot be read: no verdicts are given", { err });
          }
          throw err;
        },
      ),
    onFailure: (err) => {
      if (known.isFresh(clock())) tell(log, "directory cannot be read", { err });
      else if (isLogged) tell(log, "directory cannot be read: no verdicts are given", { err });
    },
    onRecovery: (failures) => tell(log, "directory can be read again", { failures }),
  });
  return { trouble: () => trouble, stop: () => poller.stop() };
}
