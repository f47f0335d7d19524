import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions } from "node:tls";
import type { Logger } from "pino";
import type { Config } from "../config/load.js";
import type { ConfiguredRealm } from "../config/realms.js";
import type { StoreTls } from "../config/store-address.js";
import { withCircuit } from "../directory/circuit.js";
import type { Directory, KnownDirectory } from "../directory/directory.js";
import { DirectoryCache } from "../directory/directory-cache.js";
import { DirectoryError } from "../directory/errors.js";
import { startFeedPoller } from "../directory/feed-poller.js";
import { deriveMasterKeys, type MasterKeys } from "../directory/master-keys.js";
import { type OnRead, observeReads } from "../directory/observe-reads.js";
import type { OperatorStore } from "../directory/operator-store.js";
import { RecentRevocations } from "../directory/recent-revocations.js";
import { type DigestRenewal, digestRenewal } from "../directory/sql/digest-renewal.js";
import { sqlDirectory } from "../directory/sql/directory.js";
import type { SqlStore } from "../directory/sql/store.js";
import { migrateStoreAt, openStoreAt, readStoreAt, type StoreAddress, type StoreOptions } from "../directory/stores.js";
import { Suspension } from "../directory/suspension.js";
import { clientContext } from "../net/tls.js";
import { tell } from "../observability/lines.js";
import { isLoggedFailure } from "../observability/logger.js";
import type { StoreStats } from "../observability/observed.js";
import type { Clock } from "../util/clock.js";
import { Secret } from "../util/secret.js";
import { type Replica, startReplica } from "./replica.js";
import { type ComparedClocks, clockTrouble, watchClocks } from "./replica-clock.js";
import { endsByPolicy } from "./revocation-maker.js";
import { seed } from "./seed.js";

// The store of a configuration: opens it, seeds a new one, and follows its change feed.

/** An open store, its directory, and the master keys that open it. */
export interface OpenDirectory {
  readonly store: SqlStore;
  readonly directory: Directory;
  readonly masterKeys: MasterKeys;
  /** Sets the realms by whose policies revocations end in the store from now on. */
  readonly setRealms: (realms: readonly ConfiguredRealm[]) => void;
}

/** Where a configuration's store is, for operators: a file, or `HOST:PORT/DATABASE`. */
export function storePlace({ store: { address } }: Pick<Config, "store">): string {
  return address.engine === "sqlite" ? address.file : `${address.host}:${address.port}/${address.database}`;
}

/** True if a configuration's store is a file that is not there; a database is asked instead. */
export const isStoreMissing = ({ store: { address } }: Pick<Config, "store">): boolean =>
  address.engine === "sqlite" && !existsSync(address.file);

/** How a store is opened, besides what the configuration says. */
type Opening = Pick<StoreOptions, "busyTimeout" | "opening" | "replica">;

/**
 * Opens the directory of a configuration that has a master key, and makes the store if there is none.
 *
 * @throws {DirectoryError} if the store cannot be used
 */
export async function openDirectory(config: Config, clock: Clock, opening: Opening = {}): Promise<OpenDirectory> {
  const { setRealms, ...options } = storeOptions(config, clock);
  const store = await openStoreAt({ ...options, ...opening });
  return { store, directory: sqlDirectory(store), masterKeys: options.masterKeys, setRealms };
}

/**
 * Opens the directory of a configuration for reading; writes nothing.
 *
 * @returns undefined if there is no store yet
 * @throws {DirectoryError} if the store cannot be used
 */
export async function readDirectory(config: Config, clock: Clock): Promise<OpenDirectory | undefined> {
  const { setRealms, ...options } = storeOptions(config, clock);
  const store = await readStoreAt(options);
  return store && { store, directory: sqlDirectory(store), masterKeys: options.masterKeys, setRealms };
}

/**
 * Makes the store of a configuration, or brings its schema up to date.
 *
 * @param grantTo a user of PostgreSQL who is to use the schema besides the one that makes it
 * @throws {DirectoryError} if it cannot be reached or changed
 */
export async function migrateStore(
  config: Config,
  clock: Clock,
  grantTo: string | undefined,
): Promise<{ readonly place: string; readonly changed: boolean }> {
  return { place: storePlace(config), changed: await migrateStoreAt(storeOptions(config, clock), grantTo) };
}

function storeOptions(config: Config, clock: Clock): StoreOptions & Pick<OpenDirectory, "setRealms"> {
  return {
    ...endsByPolicy(config.realms),
    maxRevocations: config.revocations.max,
    address: addressOf(config.store.address),
    masterKeys: deriveMasterKeys(config.masterKeys),
    clock,
  };
}

/** How to connect to a configured store. */
function addressOf(configured: Config["store"]["address"]): StoreAddress {
  if (configured.engine === "sqlite") return configured;
  const { password, passwordFile, tls, host, ...address } = configured;
  return {
    ...address,
    host,
    password: async () =>
      passwordFile === undefined ? password : new Secret((await readFile(passwordFile, "utf8")).replace(/\r?\n$/, "")),
    tls: tls === undefined ? false : tlsOptions(tls),
  };
}

function tlsOptions({ material, serverName }: StoreTls): ConnectionOptions {
  return {
    secureContext: clientContext(material),
    // Node checks the certificate against this host; a server name (RFC 6066, section 3) is no address.
    host: serverName,
    ...(isIP(serverName) === 0 && { servername: serverName }),
    rejectUnauthorized: true,
  };
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
  readonly store: SqlStore;
  readonly directory: Directory;
  /** The store as operators see it. */
  readonly operators: OperatorStore;
  readonly setRealms: OpenDirectory["setRealms"];
  readonly stats: () => StoreStats;
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
  const { store, directory, setRealms } =
    readOnlyAt === undefined ? await openSeeded(config, clock, log) : await readOrSeedAside(config, clock, log);
  const isServed = readOnlyAt === undefined;
  const recent = isServed ? new RecentRevocations(clock) : undefined;
  // Only a store that other machines write to changes while this one is suspended.
  const suspension = isServed && store.engine.dialect === "postgres" ? new Suspension(clock) : undefined;
  const clocks: ComparedClocks = { clock, offset: () => store.clockOffset, max: config.store.maxClockOffset };
  const onSilence = (isSilent: boolean): void => {
    if (isSilent) tell(log, "directory look-ups fail at once", {});
    else tell(log, "directory look-ups are tried again", {});
  };
  let replica: Replica | undefined;
  try {
    const known: DirectoryCache = new DirectoryCache({
      directory: withCircuit(observeReads(directory, clock, onRead), onSilence),
      clock,
      staleFor: config.store.staleFor,
      maxClockOffset: config.store.maxClockOffset,
      unansweredSince: () => replica?.unansweredSince ?? Number.POSITIVE_INFINITY,
      recent,
      suspension,
      onEvent: (event) => replica?.take(event),
      ...(isServed && { onOlderKey: renewal(store, (clientId) => known.dropClient(clientId), context) }),
    });
    await known.follow();
    replica = recent && (await startReplica({ store, recent, known, clocks, log }, directory.operators));
    const following = follow(known, directory, clocks, context);
    const close = async (): Promise<void> => {
      suspension?.stop();
      known.close();
      await Promise.all([following.stop(), replica?.stop()]);
      await directory.close();
    };
    return {
      known,
      store,
      directory,
      operators: replica?.operators ?? directory.operators,
      setRealms,
      stats: () => ({
        revocationBytes: known.revocations.bytes,
        revocationsMax: config.revocations.max,
        revocationsRestored: replica?.restored ?? 0,
        clockOffset: store.clockOffset,
        notifications: following.notifications(),
      }),
      trouble: () => following.trouble() ?? clockTrouble(clocks),
      close,
    };
  } catch (error) {
    suspension?.stop();
    await directory.close();
    throw error;
  }
}

/** Digests clients' secrets again after a change of the store's keys, and logs failures with exponential back-off. */
function renewal(
  store: SqlStore,
  drop: (clientId: string) => void,
  { clock, log }: Pick<StoreContext, "clock" | "log">,
): DigestRenewal {
  let failures = 0;
  return digestRenewal(store, {
    clock,
    onDone: (clientId) => {
      failures = 0;
      drop(clientId);
    },
    onFailure: (err) => {
      failures += 1;
      if (isLoggedFailure(failures)) tell(log, "client not moved to the new look-up key", { err, failures });
    },
  });
}

/** Opens the store for reading and writing, and loads the seed if the store is new. */
async function openSeeded(config: Config, clock: Clock, log: Logger): Promise<OpenDirectory> {
  const file = storePlace(config);
  const [isNew, isLost] = [isStoreMissing(config), existsSync(`${file}-wal`)];
  const open = await openDirectory(config, clock, {
    replica: hostname(),
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
  const stored = await readDirectory(config, clock);
  if (stored !== undefined && !(await stored.directory.isEmpty())) return stored;
  const aside = await seedAside(config, clock, log).catch(async (error: unknown) => {
    await stored?.directory.close();
    throw error;
  });
  if (stored === undefined) return aside;
  const { directory } = aside;
  return {
    ...aside,
    directory: overriding(directory, {
      // A store without entries may still hold fetched key sets.
      keySets: () => stored.directory.keySets(),
      close: async () => {
        await stored.directory.close();
        await directory.close();
      },
    }),
  };
}

/** The same directory with some members of its own; a copy would not follow the members that change. */
const overriding = (directory: Directory, members: Partial<Directory>): Directory =>
  Object.assign(Object.create(directory) as Directory, members);

async function seedAside(config: Config, clock: Clock, log: Logger): Promise<OpenDirectory> {
  const folder = mkdtempSync(join(tmpdir(), "token-verifier-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const address = { engine: "sqlite" as const, file: join(folder, "verifier.db") };
    const open = await openDirectory({ ...config, store: { ...config.store, address } }, clock);
    const { directory } = open;
    const close = async (): Promise<void> => {
      await directory.close();
      remove();
    };
    await seed(directory, config.directory, log).catch(async (error: unknown) => {
      await close();
      throw error;
    });
    return { ...open, directory: overriding(directory, { close }) };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Follows the change feed, and logs failures and recoveries. */
function follow(
  known: Pick<DirectoryCache, "follow" | "isFresh">,
  directory: Pick<Directory, "polling" | "onNotification">,
  clocks: ComparedClocks,
  { clock, log, onDirectoryFailure = () => {} }: StoreContext,
): {
  readonly trouble: () => string | undefined;
  readonly notifications: () => number;
  readonly stop: () => Promise<void>;
} {
  let trouble: string | undefined;
  let notifications = 0;
  const lookAtClocks = watchClocks(clocks, log);
  // The end of verdicts is logged at once, and then about once a minute.
  let isLogged = false;
  const poller = startFeedPoller({
    interval: () => directory.polling.interval,
    follow: () =>
      known.follow().then(
        () => {
          isLogged = false;
          trouble = undefined;
          lookAtClocks();
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
  directory.onNotification(() => {
    notifications += 1;
    poller.wake();
  });
  return { trouble: () => trouble, notifications: () => notifications, stop: () => poller.stop() };
}
