import { existsSync } from "node:fs";
import type { Logger } from "pino";
import { ConfigError } from "../config/issues.js";
import type { Config } from "../config/load.js";
import { type Renewal, renew } from "../config/renew.js";
import { failure, type Verifier } from "../contract/verifier.js";
import type { Directory, KnownDirectory } from "../directory/directory.js";
import { DirectoryError } from "../directory/errors.js";
import { Known } from "../directory/known.js";
import { noDirectory } from "../directory/none.js";
import { type OnRead, observeReads } from "../directory/observed.js";
import type { VerificationKey } from "../keys/key.js";
import { tell } from "../observability/lines.js";
import type { FetchObserver, KeyInUse, Observed } from "../observability/observed.js";
import type { Clock } from "../util/clock.js";
import type { Secret } from "../util/secret.js";
import { FactCache } from "../verifier/facts.js";
import { limitFailures } from "../verifier/limited.js";
import { areInDirectory } from "../verifier/realm.js";
import { isRoute, targetsOf } from "../verifier/route.js";
import { createVerifier, type Load } from "../verifier/verify.js";
import type { View } from "../verifier/view.js";
import { type Following, followStore } from "./follow-store.js";
import { type OpenDirectory, openDirectory, storePath } from "./open-directory.js";
import { readOrSeedAside } from "./read-or-seed-aside.js";
import { openKeyring, withKeys } from "./realm-keys.js";
import { openSavedSets, readSavedSets, removeOldSets } from "./saved-sets.js";
import { seed } from "./seed-file.js";
import { type Observations, standingOf, unservedRealms } from "./standing.js";

/** The core, running. */
export interface Core extends Observed {
  readonly verifier: Verifier;
  /** Realms without usable keys. */
  readonly unserved: () => ReadonlySet<string>;
  /** The id of the instance that owns a secret key, as far as it is in memory. */
  readonly instanceOf: (secretKey: Secret) => string | undefined;
  /**
   * Verifies by the realms of another configuration from now on, all of them at once; realms and keys that did not
   * change stay the objects that they are, with their facts. Nothing else of the configuration is looked at.
   *
   * @throws {ConfigError} where they need what cannot be had while the core runs; then nothing has changed
   */
  reload(config: Config): Renewal;
  /** Stops following the directory and releases the store. */
  close(): Promise<void>;
}

/** What the core needs besides its configuration. */
export interface CoreContext {
  readonly clock: Clock;
  readonly log: Logger;
  /** Is told of each time that the directory could not be read. */
  readonly onDirectoryFailure?: () => void;
  /** Is told of each read of the store. */
  readonly onRead?: OnRead;
  /** Is told of each fetch of keys. */
  readonly onFetch?: FetchObserver;
  /**
   * Given for a core that must leave the store as it is, also where its clock pretends another time: the time that it
   * really is, in milliseconds since 1970. Saved key sets are of the age that they have at this time, and what is fetched
   * counts for this core alone. A store that was never written to is as the seed would fill it.
   */
  readonly readOnlyAt?: number;
}

/**
 * Assembles the core of a configuration: opens the store, loads the seed into an empty one, and follows the feed.
 *
 * @throws {DirectoryError} where the store cannot be used
 */
export async function openCore(config: Config, context: CoreContext): Promise<Core> {
  const { clock, log } = context;
  const store = await openStore(config, context);
  const facts = new FactCache(config.cache.facts);
  const viewOf = (realms: Config["realms"]): View => ({
    realms: new Map(realms.map(({ realm }) => [realm.name, realm])),
    directory: store?.known ?? noDirectory,
    facts,
  });
  const { proxies } = config;
  const { readOnlyAt } = context;
  const saved =
    readOnlyAt === undefined
      ? await openSavedSets(store?.directory, config.realms, log)
      : await readSavedSets(store?.directory, config.realms, log, clock() - readOnlyAt);
  const keyring = openKeyring({ clock, proxies, saved }, log, context.onFetch ?? (() => {}));
  let realms = withKeys(keyring, config.realms, []);
  let view = viewOf(realms);
  const tidy = async (): Promise<void> => {
    if (readOnlyAt === undefined) await removeOldSets(store?.directory, realms, clock(), log);
  };
  await tidy();
  const observations = (): Observations => ({
    realms: realms.map(({ realm }) => realm.name),
    keys: keyring.status(),
    routes: Object.fromEntries(
      realms.flatMap(({ realm }) => (isRoute(realm) ? [[realm.name, targetsOf(realm)] as const] : [])),
    ),
    isFresh: view.directory.isFresh(clock()),
    directory: store?.known.stats(),
    trouble: store?.trouble(),
  });
  return {
    verifier: limitFailures(
      createVerifier(() => view, clock, loader(store?.known, context)),
      config.failures,
      clock,
    ),
    stats: () => ({
      factBytes: facts.bytes,
      factLookups: facts.lookups,
      isFresh: view.directory.isFresh(clock()),
      directory: store?.known.stats(),
      keys: keyring.status(),
      skew: Object.fromEntries(realms.map(({ realm }) => [realm.name, realm.skew.ahead(clock())])),
    }),
    standing: () => standingOf(observations()),
    unserved: () => unservedRealms(observations()),
    instanceOf: (secretKey) => store?.known.instance(secretKey)?.id,
    keysInUse: () => {
      const now = clock();
      return Object.fromEntries(
        realms
          .filter(({ realm }) => realm.policy.keysOf === "realm" && !isRoute(realm))
          .map(({ realm }) => [realm.name, (realm.keys.current(now)?.keys ?? []).map((key) => keyInUse(key, now))]),
      );
    },
    reload: (next) => {
      if (store === undefined) checkNeedsNoStore(next);
      const renewal = renew(realms, next.realms);
      realms = withKeys(keyring, renewal.realms, realms);
      view = viewOf(realms);
      facts.keepOnly(view.realms.values());
      void tidy();
      return renewal;
    },
    close: async () => {
      await keyring.close();
      await store?.close();
    },
  };
}

const keyInUse = ({ kid, algorithm, label, uses }: VerificationKey, now: number): KeyInUse => ({
  kid: kid ?? null,
  algorithm,
  label,
  verificationsLastHour: uses.lastHour(now),
});

/** A core that was started without a store knows no caller, and would call every one of them unknown. */
function checkNeedsNoStore({ file, realms }: Config): void {
  const needing = realms.find(({ realm: { policy } }) => areInDirectory(policy.callers));
  if (needing === undefined) return;
  const message = `the callers of the realm ${needing.realm.name} need it, and it takes effect at a start only: restart`;
  throw new ConfigError(file, [{ place: "masterKey", message }]);
}

interface Store extends Pick<Following, "trouble"> {
  readonly known: Known & KnownDirectory;
  readonly directory: Directory;
  close(): Promise<void>;
}

/** Opens the store. Without a master key there is none: nothing that it would hold can be asked for. */
async function openStore(
  config: Config,
  { clock, log, onDirectoryFailure = () => {}, onRead = () => {}, readOnlyAt }: CoreContext,
): Promise<Store | undefined> {
  if (config.masterKeys.length === 0) return undefined;
  const { directory, masterKeys } =
    readOnlyAt === undefined ? await openSeeded(config, clock, log) : await readOrSeedAside(config, clock, log);
  try {
    const known = new Known({
      directory: observeReads(directory, clock, onRead),
      masterKeys,
      clock,
      staleFor: config.store.staleFor,
    });
    await known.follow();
    const following = followStore(known, { clock, log, onDirectoryFailure });
    return {
      known,
      directory,
      trouble: following.trouble,
      close: async () => {
        await following.stop();
        await directory.close();
      },
    };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/** Opens the store, and fills it from the seed where it is new. */
async function openSeeded(config: Config, clock: Clock, log: Logger): Promise<OpenDirectory> {
  const file = storePath(config);
  const [isNew, isLost] = [!existsSync(file), existsSync(`${file}-wal`)];
  const open = openDirectory(config, clock, {
    opening: { onLocked: (timeout) => tell(log, "store locked", { file, wait: timeout }) },
  });
  try {
    // What stays beside a store that is gone: then this is no first start.
    if (isNew) tell(log, "store made", { file }, isLost ? "warn" : "info");
    await seed(open.directory, config.directory, log);
    return open;
  } catch (error) {
    await open.directory.close();
    throw error;
  }
}

/** Loads what a decision lacks; what cannot be had is a failure, logged once for each call that wanted it. */
function loader(known: Known | undefined, { clock, log }: Pick<CoreContext, "clock" | "log">): Load {
  return async (lack, deadline) => {
    try {
      if (lack.kind !== "keys") {
        await known?.learn(lack, deadline);
        return undefined;
      }
      const { realm, kid, since } = lack;
      const wait = await realm.keys.load(kid, since, deadline);
      if (wait === undefined) return undefined;
      const isFresh = realm.keys.current(clock()) !== undefined && !realm.keys.isStale();
      return {
        ...failure("KEYS_UNAVAILABLE", wait),
        ...(isFresh && { cause: "cooldown" }),
        ...(kid !== undefined && { kid }),
      };
    } catch (error) {
      if (lack.kind !== "keys" && error instanceof DirectoryError) {
        tell(log, "directory entry cannot be loaded", { err: error, lack: lack.kind });
        return failure("DIRECTORY_UNAVAILABLE");
      }
      tell(log, "unexpected fault while loading", { err: error, lack: lack.kind });
      return failure("INTERNAL");
    }
  };
}
