import type { Logger } from "pino";
import type { ConfiguredRealm } from "../config/realms.js";
import type { Directory } from "../directory/directory.js";
import type { KeySetName, SavedKeySet } from "../directory/model.js";
import { locationName, printableLocation, type SavedSets } from "../keys/remote/keyring.js";
import { tell } from "../observability/lines.js";
import { isLoggedFailure } from "../observability/logger.js";

// The key sets of issuers that the store keeps for the next start.

/** The part of a directory that keeps key sets. */
type SetStore = Pick<Directory, "keySets" | "saveKeySet" | "resealKeySets">;

/**
 * Loads the key sets that were saved. Those under an earlier master key are sealed anew, so that a start without it has
 * them still; of the realms' own, those that do not open are told of.
 *
 * @param directory nothing is kept over a restart where there is none
 * @throws {DirectoryError} where it cannot be read
 */
export async function openSavedSets(
  directory: SetStore | undefined,
  realms: readonly ConfiguredRealm[],
  log: Logger,
): Promise<SavedSets> {
  const saved = await load(directory, realms, log);
  await directory?.resealKeySets().catch((err: unknown) => tell(log, "key sets not resealed", { err }));
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
 * The same for who only reads: nothing is sealed anew, and nothing is saved.
 *
 * @param ahead milliseconds that a pretended clock is ahead of the real one, by which the sets were fetched: their age
 * stays what it really is
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

/** Those that open, by their names. */
async function load(
  directory: Pick<SetStore, "keySets"> | undefined,
  realms: readonly ConfiguredRealm[],
  log: Logger,
): Promise<Map<string, SavedKeySet>> {
  if (directory === undefined) return new Map();
  const { sets, unopened } = await directory.keySets();
  for (const { realm, location } of ofRealms(unopened, realms)) {
    tell(log, "saved key set does not open", { realm, location: printableLocation(location) });
  }
  return new Map(sets.map((set) => [nameOf(set), set]));
}

/** Those key sets that these realms ask for. */
export function ofRealms(names: readonly KeySetName[], realms: readonly ConfiguredRealm[]): readonly KeySetName[] {
  const asked = new Set(askedBy(realms).map(nameOf));
  return names.filter((name) => asked.has(nameOf(name)));
}

/** How long a set is kept that no realm of this process asks for, in milliseconds: 30 days. */
const KEPT = 30 * 86_400_000;

/**
 * Removes key sets from the store that nobody asks for any more: those of no realm of this configuration that were
 * fetched last more than 30 days ago. Another process on the same store may have another configuration. As long as its
 * issuer answers it saves its sets anew after at most 24 days (the longest `refreshMax`), so that what is older is of a
 * realm that nobody has, or of an issuer that has been silent for longer than almost any `staleIfError`; that process
 * has the set in memory then, and would miss it at a restart alone. Never rejects.
 */
export async function removeOldSets(
  directory: Pick<Directory, "removeKeySets"> | undefined,
  realms: readonly ConfiguredRealm[],
  now: number,
  log: Logger,
): Promise<void> {
  try {
    await directory?.removeKeySets(now - KEPT, askedBy(realms));
  } catch (err) {
    tell(log, "old key sets not removed", { err });
  }
}

const askedBy = (realms: readonly ConfiguredRealm[]): readonly KeySetName[] =>
  realms.flatMap(({ name, remotes }) =>
    remotes.map((entry) => ({ realm: name, location: locationName(entry.location) })),
  );

const nameOf = ({ realm, location }: KeySetName): string => JSON.stringify([realm, location]);

/** Saves sets. Without one the next start has to fetch before it can verify: worth a word now and then, not a failure. */
function saver(directory: Pick<Directory, "saveKeySet"> | undefined, log: Logger): (set: SavedKeySet) => Promise<void> {
  // Of all sets together: what keeps one from being saved, a full disk or a lock, keeps the others too.
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
      tell(log, "key set not saved", { err, realm, location: printableLocation(location), failures });
    }
  };
}
