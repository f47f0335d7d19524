import { createHmac, type KeyObject, randomBytes } from "node:crypto";
import { ConfigError } from "../config/errors.js";
import type { Config } from "../config/load.js";
import { failure, type Verifier } from "../contract/verifier.js";
import type { WatchSource } from "../contract/watch.js";
import { StoreSilent } from "../directory/circuit.js";
import { noDirectory } from "../directory/directory.js";
import type { DirectoryCache } from "../directory/directory-cache.js";
import { DirectoryError } from "../directory/errors.js";
import { deriveMasterKeys } from "../directory/master-keys.js";
import type { OperatorStore } from "../directory/operator-store.js";
import type { VerificationKey } from "../keys/key.js";
import { Keyring } from "../keys/remote/keyring.js";
import { keysObserver } from "../observability/keys-observer.js";
import { tell } from "../observability/lines.js";
import { type FetchObserver, type KeyInUse, type Observed, unusedKey } from "../observability/observed.js";
import type { Secret } from "../util/secret.js";
import { limitCredentials } from "../verifier/credential-rate-limit.js";
import type { View } from "../verifier/decision-state.js";
import { FactCache } from "../verifier/facts.js";
import { Nonces } from "../verifier/proofs/nonces.js";
import { ProofKeys } from "../verifier/proofs/proof-key.js";
import { ReplayMemory } from "../verifier/proofs/replay-memory.js";
import { areInDirectory, type ProofState } from "../verifier/realm.js";
import { type RevocableRealms, revocableRealms } from "../verifier/revocation-request.js";
import { isRoute, targetsOf } from "../verifier/route.js";
import { createVerifier, type Load, loadNeededKeys } from "../verifier/verify.js";
import { type BuiltRealms, buildRealms, type RunningRealm } from "./realms.js";
import { openSavedSets, readSavedSets, removeOldSets } from "./saved-sets.js";
import { type Observations, serviceStateOf, unservedRealms } from "./service-state.js";
import { openStore, type StoreContext } from "./store.js";
import { createWatchSource } from "./watch-source.js";

/** The verifier of a configuration with everything under it: store, keys, realms. */
export interface Core extends Observed {
  readonly verifier: Verifier;
  /** Names of the realms without usable keys. */
  readonly unserved: () => ReadonlySet<string>;
  /** What changes, for those who watch it. */
  readonly watch: WatchSource;
  /** The realms as revoking sees them. @param now milliseconds since 1970 */
  readonly revocableRealms: (now: number) => RevocableRealms;
  /** The store as operators see it; undefined without one. */
  readonly operators: OperatorStore | undefined;
  /** Id of the instance that owns a secret key; undefined if it is not in memory. */
  readonly instanceOf: (secretKey: Secret) => string | undefined;
  /**
   * Replaces all realms at once by those of another configuration; nothing else of it takes effect. Realms and keys that
   * did not change keep their cached facts.
   *
   * @throws {ConfigError} if they need a store and there is none; then nothing has changed
   */
  reload(config: Config): BuiltRealms;
  /** Stops fetching keys and following the directory, and closes the store. */
  close(): Promise<void>;
}

/**
 * What the core needs besides its configuration.
 *
 * With `readOnlyAt` the core writes nothing to the store, whatever time its clock pretends: saved key sets have the age
 * that they have at this real time, fetched ones are not saved, and an empty store looks as the seed would fill it.
 */
export interface CoreContext extends StoreContext {
  /** Called after each fetch of keys. */
  readonly onFetch?: FetchObserver;
}

/**
 * Opens the core of a configuration: store, key sets, realms and verifier, in this order.
 *
 * @throws {ConfigError} if the seed cannot be used, {DirectoryError} if the store cannot
 */
export async function openCore(config: Config, context: CoreContext): Promise<Core> {
  const { clock, log, readOnlyAt, onFetch = () => {} } = context;
  const { proxies } = config;
  const store = await openStore(config, context);
  const directory = store?.known ?? noDirectory;
  const facts = new FactCache(config.cache.facts);
  const reading =
    readOnlyAt === undefined
      ? openSavedSets(store?.directory, config.realms, log)
      : readSavedSets(store?.directory, config.realms, log, clock() - readOnlyAt);
  // A start that is tried again must leave nothing behind.
  const saved = await reading.catch(async (error: unknown) => {
    await store?.close();
    throw error;
  });
  const observe = (realm: string, location: string) => keysObserver({ realm, location }, log, onFetch);
  const keyring = new Keyring({ clock, proxies, saved, observe });
  const nonces = new Nonces(nonceKeys(config));
  const makeProofs = (): ProofState => ({ memory: new ReplayMemory(config.proofs.max), nonces, keys: new ProofKeys() });
  // The oldest look-up key: it stays for as long as anything needs it, and all processes on the store have it.
  const root = store?.directory.lookupKeys.all.at(-1)?.key;
  let { realms } = buildRealms(config.realms, keyring, [], makeProofs, root);
  const digestRoot = createHmac("sha256", root ?? randomBytes(32))
    .update("watch")
    .digest();
  const watch = createWatchSource({ realms: () => realms, directory, digestRoot, clock });
  if (store !== undefined) store.known.onApplied = (event) => watch.take(event);
  const viewOf = (running: readonly RunningRealm[]): View => ({
    realms: new Map(running.map(({ realm }) => [realm.name, realm])),
    directory,
    facts,
  });
  const current = { view: viewOf(realms) };
  const removeUnused = async (): Promise<void> => {
    const configured = realms.map((one) => one.configured);
    if (readOnlyAt === undefined) await removeOldSets(store?.directory, configured, clock(), log);
  };
  await removeUnused();
  /** Revocations end by the policies of the realms in use. */
  const setLifetimes = (): void =>
    store?.known.revocations.setLifetimes(new Map(realms.map(({ realm }) => [realm.name, realm.policy])));
  setLifetimes();
  const observations = (): Observations => ({
    realms: realms.map(({ realm }) => realm.name),
    keys: keyring.status(),
    routes: Object.fromEntries(realms.flatMap(({ realm }) => (isRoute(realm) ? [[realm.name, targetsOf(realm)]] : []))),
    isFresh: directory.isFresh(clock()),
    directory: store?.known.stats(),
    trouble: store?.trouble(),
    staleRealms: realms.flatMap(({ realm: { name, policy } }) =>
      policy.staleFor === undefined || directory.isFresh(clock(), policy.staleFor) ? [] : [name],
    ),
  });
  return {
    verifier: limitCredentials(createVerifier(current, clock, loader(store?.known, context)), config.failures, clock),
    stats: () => ({
      factBytes: facts.bytes,
      factLookups: facts.lookups,
      isFresh: directory.isFresh(clock()),
      directory: store?.known.stats(),
      store: store?.stats(),
      keys: keyring.status(),
      proofs: Object.fromEntries(
        realms.flatMap(({ realm }) => (isRoute(realm) ? [] : [[realm.name, realm.proofs.memory.size(clock())]])),
      ),
      skew: Object.fromEntries(realms.map(({ realm }) => [realm.name, realm.skew.ahead(clock())])),
    }),
    serviceState: () => serviceStateOf(observations()),
    unserved: () => unservedRealms(observations()),
    watch,
    revocableRealms: (now) =>
      revocableRealms(
        realms.map(({ realm }) => realm),
        now,
      ),
    operators: store?.operators,
    instanceOf: (secretKey) => store?.known.instance(secretKey)?.id,
    keysInUse: () => {
      const now = clock();
      const sets = realms
        .filter(({ realm }) => realm.policy.keysOf === "realm" && !isRoute(realm))
        .map(({ realm }) => [realm.name, realm.keys.current(now)] as const);
      return {
        realms: Object.fromEntries(
          sets.map(([name, set]) => [name, (set?.keys ?? []).map((key) => keyInUse(key, now))]),
        ),
        unused: Object.fromEntries(
          sets.flatMap(([name, set]) => (set?.leftOut.length ? [[name, set.leftOut.map(unusedKey)]] : [])),
        ),
      };
    },
    reload: (next) => {
      if (store === undefined) checkNeedsNoStore(next);
      const built = buildRealms(next.realms, keyring, realms, makeProofs, root);
      ({ realms } = built);
      current.view = viewOf(realms);
      facts.keepOnly(current.view.realms.values());
      setLifetimes();
      store?.setRealms(next.realms);
      void removeUnused();
      return built;
    },
    close: async () => {
      await keyring.close();
      await store?.close();
    },
  };
}

/** The keys of DPoP nonces, the current one first; none without a master key: nonces then hold within this process. */
const nonceKeys = ({ masterKeys }: Config): readonly KeyObject[] =>
  masterKeys.length === 0 ? [] : deriveMasterKeys(masterKeys).all.map(({ nonceKey }) => nonceKey);

const keyInUse = ({ kid, algorithm, label, uses }: VerificationKey, now: number): KeyInUse => ({
  kid: kid ?? null,
  algorithm,
  label,
  verificationsLastHour: uses.lastHour(now),
});

/** Refuses realms that look callers up if there is no store: every caller would be unknown. */
function checkNeedsNoStore({ file, realms }: Config): void {
  const needing = realms.find(({ callers }) => areInDirectory(callers));
  if (needing === undefined) return;
  const message = `the callers of the realm ${needing.name} need it, and it takes effect at a start only: restart`;
  throw new ConfigError(file, [{ place: "masterKey", message }]);
}

/** Loads what a decision needs. A failure to load is logged once for each call that asked. */
function loader(known: DirectoryCache | undefined, { clock, log }: Pick<CoreContext, "clock" | "log">): Load {
  return async (need, deadline) => {
    try {
      if (need.kind === "keys") return await loadNeededKeys(need, deadline, clock);
      await known?.load(need, deadline);
      return undefined;
    } catch (error) {
      if (need.kind !== "keys" && error instanceof DirectoryError) {
        // The log says once that look-ups fail at once.
        if (!(error instanceof StoreSilent))
          tell(log, "directory entry cannot be loaded", { err: error, lack: need.kind });
        return failure("DIRECTORY_UNAVAILABLE");
      }
      tell(log, "unexpected fault while loading", { err: error, lack: need.kind });
      return failure("INTERNAL");
    }
  };
}
