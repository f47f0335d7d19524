import type { Logger } from "pino";
import type { ConfiguredRealm } from "../config/realms.js";
import type { Directory } from "../directory/directory.js";
import type { KeySetName, SavedKeySet } from "../directory/model.js";
import type { SavedSets } from "../keys/remote/keyring.js";
import { locationName, printableUrl } from "../keys/remote/location.js";
import { tell } from "../observability/lines.js";
import { isLoggedFailure } from "../observability/logger.js";

// Issuers' key sets in the store, which let the next start verify before its first fetch.

/** The part of a directory that keeps key sets. */
type SetStore = Pick<Directory, "keySets" | "saveKeySet">;

/**
 * Loads the saved key sets. Logs each set of these realms that does not open.
 *
 * @param directory undefined keeps nothing across a restart
 * @throws {DirectoryError} if the store cannot be read
 */
export async function openSavedSets(
  directory: SetStore | undefined,
  realms: readonly ConfiguredRealm[],
  log: Logger,
): Promise<SavedSets> {
  const saved = await load(directory, realms, log);
  const save = saver(directory, log);
  return {
    get: (realm, location) => saved.get(nameOf({ realm, location })),
    set: (realm, location, set) => {
      const whole = { realm, location, ...set };
      saved.set(nameOf(whole), whole);
      void save(whole);
    },
  };
}

/**
 * {@link openSavedSets} for a process that only reads the store: saves nothing.
 *
 * @param ahead milliseconds by which a pretended clock is ahead of the real one; added to each `fetchedAt`, so that a set's age
 * stays its real age
 */
export async function readSavedSets(
  directory: Pick<SetStore, "keySets"> | undefined,
  realms: readonly ConfiguredRealm[],
  log: Logger,
  ahead: number,
): Promise<SavedSets> {
  const saved = await load(directory, realms, log);
  return {
    get: (realm, location) => {
      const set = saved.get(nameOf({ realm, location }));
      return set && { ...set, fetchedAt: set.fetchedAt + ahead };
    },
    set: () => {},
  };
}

/** The sets that open, by name. */
async function load(
  directory: Pick<SetStore, "keySets"> | undefined,
  realms: readonly ConfiguredRealm[],
  log: Logger,
): Promise<Map<string, SavedKeySet>> {
  if (directory === undefined) return new Map();
  const { sets, unopened } = await directory.keySets();
  for (const { realm, location } of ofRealms(unopened, realms)) {
    tell(log, "saved key set does not open", { realm, location: printableUrl(location) });
  }
  return new Map(sets.map((set) => [nameOf(set), set]));
}

/** The key sets among these that the realms use. */
export function ofRealms(names: readonly KeySetName[], realms: readonly ConfiguredRealm[]): readonly KeySetName[] {
  const asked = new Set(askedBy(realms).map(nameOf));
  return names.filter((name) => asked.has(nameOf(name)));
}

/** How long an unused set is kept after its last fetch, in milliseconds: 30 days. */
const UNUSED_FOR = 30 * 86_400_000;

/**
 * Removes key sets that no realm of this configuration uses and that were last fetched more than 30 days ago. Never rejects.
 *
 * Another process on the same store may use them under another configuration: it saves each set again at least every 24 days
 * (the longest `refreshMax`) while the issuer answers, and keeps it in memory when the issuer does not.
 */
export async function removeOldSets(
  directory: Pick<Directory, "removeKeySets"> | undefined,
  realms: readonly ConfiguredRealm[],
  now: number,
  log: Logger,
): Promise<void> {
  try {
    await directory?.removeKeySets(now - UNUSED_FOR, askedBy(realms));
  } catch (err) {
    tell(log, "old key sets not removed", { err });
  }
}

const askedBy = (realms: readonly ConfiguredRealm[]): readonly KeySetName[] =>
  realms.flatMap(({ name, remotes }) =>
    remotes.map((entry) => ({ realm: name, location: locationName(entry.location) })),
  );

const nameOf = ({ realm, location }: KeySetName): string => JSON.stringify([realm, location]);

/** Saves sets, and logs failures with exponential back-off: a set that is not saved only costs the next start a fetch. */
function saver(directory: Pick<Directory, "saveKeySet"> | undefined, log: Logger): (set: SavedKeySet) => Promise<void> {
  // Counts the failures of all sets together, because a full disk or a lock affects them all.
  let failures = 0;
  return async (set) => {
    try {
      await directory?.saveKeySet(set);
      if (failures > 0) tell(log, "key sets can be saved again", { failures });
      failures = 0;
    } catch (err) {
      failures += 1;
      if (!isLoggedFailure(failures)) return;
      const { realm, location } = set;
      tell(log, "key set not saved", { err, realm, location: printableUrl(location), failures });
    }
  };
}
