import { formatPath, type Issue } from "../util/issues.js";
import { Secret } from "../util/secret.js";
import { areInDirectory } from "../verifier/realm.js";
import { type ReadFile, redactFileName, unreadable } from "./read-file.js";
import type { ConfiguredRealm } from "./realms.js";
import type { CoreSettings } from "./schema.js";
import { type ConfiguredAddress, readStoreAddress } from "./store-address.js";

// The store's settings: where it is, the master keys that seal it, and the seed.

/** How files are found and read, and where issues are collected. */
interface StoreFiles {
  readonly resolve: (file: string) => string;
  readonly readFile: ReadFile;
  readonly issues: Issue[];
}

/** Settings of the store, with absolute paths. */
export interface ConfiguredStore {
  readonly store: {
    readonly address: ConfiguredAddress;
    /** Milliseconds for which verdicts are given without a reading of the store. */
    readonly staleFor: number;
    /** Milliseconds that this machine's clock and the store's may differ. */
    readonly maxClockOffset: number;
  };
  /** In base64, the current key first; empty if none is configured. */
  readonly masterKeys: readonly Secret[];
  /** File of the seed; undefined without one. */
  readonly directory: string | undefined;
}

/** Reads the settings of the store. @param realms those whose callers may need it */
export function readStore(
  settings: CoreSettings,
  realms: readonly ConfiguredRealm[],
  files: StoreFiles,
): ConfiguredStore {
  const { masterKey, masterKeyFile, masterKeys, directory } = settings;
  const keys = readMasterKeys(settings, files);
  const needing = realms.find(({ callers }) => areInDirectory(callers));
  const isGiven = [masterKey, masterKeyFile, masterKeys].some((given) => given !== undefined);
  if (keys.length === 0 && !isGiven && (needing !== undefined || directory !== undefined)) {
    const who = needing === undefined ? "the directory seed" : `the callers of the realm ${needing.name}`;
    const message = `is missing: the secrets of ${who} are sealed with it; make one with: openssl rand -base64 32`;
    files.issues.push({ place: "masterKey", message });
  }
  return {
    store: {
      // An issue keeps the configuration from being used.
      address: readStoreAddress(settings.store, files) ?? { engine: "sqlite", file: "" },
      staleFor: settings.store.staleFor,
      maxClockOffset: settings.store.maxClockOffset ?? MAX_CLOCK_OFFSET,
    },
    masterKeys: keys,
    directory: directory === undefined ? undefined : files.resolve(directory),
  };
}

const MAX_CLOCK_OFFSET = 30_000;

/** Reads the master keys; empty if there is none. */
function readMasterKeys(
  { masterKey, masterKeyFile, masterKeys }: CoreSettings,
  { resolve, readFile, issues }: StoreFiles,
): readonly Secret[] {
  const given = Object.entries({ masterKey, masterKeyFile, masterKeys }).filter(([, value]) => value !== undefined);
  if (given.length > 1) {
    issues.push({ place: given[1]?.[0] ?? "", message: "give one of masterKey, masterKeyFile and masterKeys" });
    return [];
  }
  let keys = masterKeys ?? (masterKey === undefined ? [] : [masterKey]);
  if (masterKeyFile !== undefined) {
    try {
      keys = [readFile(resolve(masterKeyFile)).trim()];
    } catch (error) {
      issues.push({ place: "masterKeyFile", message: `${redactFileName(masterKeyFile)} ${unreadable(error)}` });
    }
  }
  for (const [index, key] of keys.entries()) {
    const bytes = Buffer.from(key, "base64");
    const isGood = bytes.length === 32 && bytes.toString("base64") === key;
    if (isGood && keys.indexOf(key) === index) continue;
    const place = masterKeys === undefined ? (given[0]?.[0] ?? "") : formatPath(["masterKeys", index]);
    const right = "must be 32 bytes in base64: openssl rand -base64 32 makes one";
    issues.push({ place, message: isGood ? "is in the list twice: leave one out" : right });
  }
  return keys.map((key) => new Secret(key));
}
