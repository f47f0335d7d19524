import type { Database } from "better-sqlite3";
import { Secret } from "../../util/secret.js";
import { SealError } from "../errors.js";
import type { MasterKeys } from "../master-keys.js";
import type { KeySetName, SavedKeySet, SavedKeySets } from "../model.js";
import { isCurrent, type Place, seal, unseal } from "../sealing.js";

/** The sealed part of a set. */
type Sealed = Pick<SavedKeySet, "document" | "fetchedAt" | "trust">;

interface Row {
  readonly realm: string;
  readonly location: string;
  readonly sealed: string;
}

/**
 * Key sets at rest. They hold no secrets, but are sealed and bound to their realm and location, so that write access to
 * the store is not enough to plant a key or to move one to another realm.
 */
export function prepareKeySets(
  db: Database,
  keys: MasterKeys,
): {
  readonly all: () => SavedKeySets;
  readonly put: (set: SavedKeySet) => void;
  readonly reseal: () => void;
  readonly remove: (before: number, except: readonly KeySetName[]) => void;
} {
  const select = db.prepare<[], Row>("SELECT realm, location, sealed FROM key_sets");
  const upsert = db.prepare(
    "INSERT INTO key_sets (realm, location, sealed) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET sealed = excluded.sealed",
  );
  // Only if unchanged since it was read, for another process may have saved a newer set.
  const erase = db.prepare("DELETE FROM key_sets WHERE realm = ? AND location = ? AND sealed = ?");
  const replace = db.prepare("UPDATE key_sets SET sealed = ? WHERE realm = ? AND location = ? AND sealed = ?");
  const sealSet = ({ realm, location, document, fetchedAt, trust }: SavedKeySet): string => {
    const text = JSON.stringify({ document, fetchedAt, trust } satisfies Sealed);
    return seal(keys, new Secret(text), placeOf(realm, location));
  };
  return {
    all: () => {
      const rows = select.all().map((row) => ({ row, set: open(keys, row) }));
      return {
        sets: rows.flatMap(({ set }) => set ?? []),
        unopened: rows.flatMap(({ row: { realm, location }, set }) => (set === undefined ? [{ realm, location }] : [])),
      };
    },
    put: (set) => void upsert.run(set.realm, set.location, sealSet(set)),
    reseal: () => {
      for (const row of select.all()) {
        const set = isCurrent(keys, row.sealed) ? undefined : open(keys, row);
        if (set !== undefined) replace.run(sealSet(set), row.realm, row.location, row.sealed);
      }
    },
    remove: (before, except) => {
      const kept = new Set(except.map(nameOf));
      for (const row of select.all()) {
        const fetchedAt = kept.has(nameOf(row)) ? undefined : open(keys, row)?.fetchedAt;
        if (fetchedAt !== undefined && fetchedAt < before) erase.run(row.realm, row.location, row.sealed);
      }
    },
  };
}

/** Opens a set; undefined if it was altered or its master key is gone, for it is then fetched again. */
function open(keys: MasterKeys, { realm, location, sealed }: Row): SavedKeySet | undefined {
  try {
    const text = unseal(keys, sealed, placeOf(realm, location)).reveal();
    return { realm, location, ...(JSON.parse(text) as Sealed) };
  } catch (error) {
    if (error instanceof SealError) return undefined;
    throw error;
  }
}

const nameOf = ({ realm, location }: KeySetName): string => JSON.stringify([realm, location]);

const placeOf = (realm: string, location: string): Place => ({
  table: "key_sets",
  row: [realm, location],
  column: "sealed",
});
