import { Secret } from "../../util/secret.js";
import { SealError } from "../errors.js";
import type { KeySetName, SavedKeySet, SavedKeySets } from "../model.js";
import { type Place, seal, unseal } from "../sealing.js";
import type { StoreKeys } from "../store-keys.js";
import type { Sql } from "./sql.js";

// Key sets at rest. They hold no secrets, but are sealed and bound to their realm and location, so that write access to the
// store is not enough to plant a key or to move one to another realm.

/** The sealed part of a set. */
type Sealed = Pick<SavedKeySet, "document" | "fetchedAt" | "trust">;

interface Row extends KeySetName {
  readonly fetchedAt: number;
  readonly sealed: string;
}

/** Milliseconds for which a set that does not open is kept: another process may have the key for it. */
const UNOPENED_KEPT = 30 * 86_400_000;

/** All saved sets. */
export async function readKeySets(sql: Sql, keys: StoreKeys): Promise<SavedKeySets> {
  const rows = await sql.query<Row>(
    `SELECT realm, location, fetched_at AS "fetchedAt", sealed FROM {key_sets} ORDER BY realm, location`,
  );
  const opened = rows.map((row) => ({ row, set: open(keys, row) }));
  return {
    sets: opened.flatMap(({ set }) => set ?? []),
    unopened: opened.flatMap(({ row: { realm, location }, set }) => (set === undefined ? [{ realm, location }] : [])),
  };
}

/** Saves a set, unless a newer one of its name is saved: a slow replica must not undo what another fetched since. */
export async function saveKeySet(sql: Sql, keys: StoreKeys, set: SavedKeySet): Promise<void> {
  const { realm, location, document, fetchedAt, trust } = set;
  const text = JSON.stringify({ document, fetchedAt, trust } satisfies Sealed);
  await sql.query(
    `INSERT INTO {key_sets} AS saved (realm, location, fetched_at, sealed) VALUES ($1, $2, $3, $4)
    ON CONFLICT (realm, location) DO UPDATE SET fetched_at = excluded.fetched_at, sealed = excluded.sealed
    WHERE excluded.fetched_at >= saved.fetched_at`,
    [realm, location, Math.trunc(fetchedAt), seal(keys.sealing, new Secret(text), keySetPlace(realm, location))],
  );
}

/** Removes the sets last fetched before a time, in milliseconds since 1970, except the named ones; see {@link UNOPENED_KEPT}. */
export async function removeKeySets(
  sql: Sql,
  keys: StoreKeys,
  before: number,
  except: readonly KeySetName[],
): Promise<void> {
  const kept = new Set(except.map(nameOf));
  const rows = await sql.query<Row>(
    `SELECT realm, location, fetched_at AS "fetchedAt", sealed FROM {key_sets} WHERE fetched_at < $1`,
    [Math.trunc(before)],
  );
  for (const row of rows) {
    const { realm, location, fetchedAt } = row;
    if (kept.has(nameOf(row))) continue;
    if (open(keys, row) === undefined && fetchedAt >= before - UNOPENED_KEPT) continue;
    // Only if unchanged since it was read, for another process may have saved a newer set.
    await sql.query(`DELETE FROM {key_sets} WHERE realm = $1 AND location = $2 AND fetched_at = $3`, [
      realm,
      location,
      fetchedAt,
    ]);
  }
}

/** Opens a set; undefined if it was altered or its key is gone, for it is then fetched again. */
function open(keys: StoreKeys, { realm, location, sealed }: Row): SavedKeySet | undefined {
  try {
    const text = unseal(keys.sealing, sealed, keySetPlace(realm, location)).reveal();
    return { realm, location, ...(JSON.parse(text) as Sealed) };
  } catch (error) {
    if (error instanceof SealError) return undefined;
    throw error;
  }
}

const nameOf = ({ realm, location }: KeySetName): string => JSON.stringify([realm, location]);

/** The place of the sealed text of a key set. */
export const keySetPlace = (realm: string, location: string): Place => ({
  table: "key_sets",
  row: [realm, location],
  column: "sealed",
});
