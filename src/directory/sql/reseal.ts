import { setImmediate as nextTurn } from "node:timers/promises";
import type { Secret } from "../../util/secret.js";
import { SealError } from "../errors.js";
import { clientSecretDigest, isCurrent, seal, secretKeyDigest, unseal } from "../sealing.js";
import type { KeyPurpose, NewStoreKey, StoreKeys } from "../store-keys.js";
import { REQUESTS_KEPT } from "./head.js";
import { keySetPlace } from "./key-sets.js";
import { sealedAt, theRow } from "./lookups.js";
import { type CurrentKeys, drawKeys, removeStoreKeys } from "./rekey.js";
import { FORMAT } from "./schema.js";
import type { Engine, Sql } from "./sql.js";
import type { SqlStore } from "./store.js";
import { beginWriting } from "./write.js";

// Puts the values of a store under new keys, in short transactions, while replicas serve from it.

/** Secret keys that are sealed and digested again in one transaction. */
const BATCH = 1_000;

/** Milliseconds after which every replica that still serves has read a new key. */
const KEYS_SPREAD = 600_000;

/** Values that are not under the newest keys of a store. */
export interface ValuesLeft {
  readonly secretKeys: number;
  /** Each is digested again when its client next shows it. */
  readonly clientSecrets: number;
  readonly keySets: number;
}

/** What {@link rekeyData} did. */
export interface RekeyDataReport extends CurrentKeys {
  readonly left: ValuesLeft;
  /** The ids of older keys that nothing needs any more and that were removed. */
  readonly removed: readonly string[];
}

/**
 * Draws new keys for the values of a store, and puts instances' secret keys and saved key sets under them. Clients' secrets
 * follow as they are shown. Called again, it goes on with what is left.
 */
export async function rekeyData(store: SqlStore, actor: string): Promise<RekeyDataReport> {
  const current = await drawKeys(store, actor);
  for (let after: Place | undefined = ["", Number.MIN_SAFE_INTEGER]; after !== undefined; ) {
    after = await resealSecretKeys(store, after);
    await nextTurn();
  }
  await resealKeySets(store);
  return { ...current, removed: await removeUnneededKeys(store, actor), left: await valuesLeft(store) };
}

type Place = readonly [instanceId: string, ordinal: number];

interface SecretKeyRow {
  readonly digest: Buffer;
  readonly keyId: string;
  readonly instanceId: string;
  readonly ordinal: number;
  readonly sealed: string;
}

const UPDATE: { readonly [Dialect in Engine["dialect"]]: string } = {
  sqlite: `
    UPDATE {secret_keys} AS s SET digest = g.digest, key_id = $2, sealed = g.sealed
    FROM (SELECT unhex(value->>'old') AS old, unhex(value->>'digest') AS digest, value->>'sealed' AS sealed
      FROM json_each($1)) AS g
    WHERE s.digest = g.old`,
  postgres: `
    UPDATE {secret_keys} AS s SET digest = decode(g.digest, 'hex'), key_id = $2, sealed = g.sealed
    FROM jsonb_to_recordset($1::jsonb) AS g (old text, digest text, sealed text)
    WHERE s.digest = decode(g.old, 'hex')`,
};

/** Puts the next secret keys under the newest keys. @returns the place of the last one; undefined after the last of all */
function resealSecretKeys(store: SqlStore, [instanceId, ordinal]: Place): Promise<Place | undefined> {
  const { engine } = store;
  return engine.transaction(async (sql) => {
    const keys = await beginWriting(store, sql, true);
    const rows = await sql.query<SecretKeyRow>(
      `SELECT digest, key_id AS "keyId", instance_id AS "instanceId", ordinal, sealed FROM {secret_keys}
      WHERE (instance_id, ordinal) > ($1, $2) ORDER BY instance_id, ordinal LIMIT ${BATCH}`,
      [instanceId, ordinal],
    );
    const { lookup, sealing } = keys;
    const changed = rows.flatMap((row) => {
      if (row.keyId === lookup.current.id && isCurrent(sealing, row.sealed)) return [];
      const secret = opened(keys, row);
      if (secret === undefined) return [];
      const digest = secretKeyDigest(lookup.current, secret);
      const sealed = seal(sealing, secret, sealedAt(row.instanceId, digest));
      return { old: row.digest.toString("hex"), digest: digest.toString("hex"), sealed };
    });
    if (changed.length > 0) await sql.query(UPDATE[engine.dialect], [JSON.stringify(changed), lookup.current.id]);
    const last = rows.at(-1);
    return last === undefined || rows.length < BATCH ? undefined : [last.instanceId, last.ordinal];
  });
}

/** The secret of a row; undefined if it was altered: it stays under its key, and is counted as left. */
function opened({ sealing }: StoreKeys, { digest, instanceId, sealed }: SecretKeyRow): Secret | undefined {
  try {
    return unseal(sealing, sealed, sealedAt(instanceId, digest));
  } catch (error) {
    if (error instanceof SealError) return undefined;
    throw error;
  }
}

/** Puts saved key sets under the newest sealing key. A set that does not open is fetched again by the service. */
async function resealKeySets(store: SqlStore): Promise<void> {
  const { engine } = store;
  const names = await engine.query<{ realm: string; location: string }>(`SELECT realm, location FROM {key_sets}`);
  for (const { realm, location } of names) {
    await engine.transaction(async (sql) => {
      const { sealing } = await beginWriting(store, sql, true);
      const [row] = await sql.query<{ sealed: string }>(
        `SELECT sealed FROM {key_sets} WHERE realm = $1 AND location = $2`,
        [realm, location],
      );
      if (row === undefined || isCurrent(sealing, row.sealed)) return;
      const place = keySetPlace(realm, location);
      let sealed: string;
      try {
        sealed = seal(sealing, unseal(sealing, row.sealed, place), place);
      } catch (error) {
        if (error instanceof SealError) return;
        throw error;
      }
      // Only if unchanged, for saving a set takes no lock.
      await sql.query(`UPDATE {key_sets} SET sealed = $3 WHERE realm = $1 AND location = $2 AND sealed = $4`, [
        realm,
        location,
        sealed,
        row.sealed,
      ]);
    });
  }
}

const SEALED_UNDER = `sealed LIKE 'v1.' || $1 || '.%'`;

/** Counts the values that are under older keys. Takes time in proportion to the secret keys. */
export async function valuesLeft({ engine, keys }: SqlStore): Promise<ValuesLeft> {
  return theRow(
    await engine.query<{ secretKeys: number; clientSecrets: number; keySets: number }>(
      `SELECT (SELECT count(*) FROM {secret_keys} WHERE key_id <> $2 OR NOT ${SEALED_UNDER}) AS "secretKeys",
        (SELECT count(*) FROM {client_secrets} WHERE key_id <> $2) AS "clientSecrets",
        (SELECT count(*) FROM {key_sets} WHERE NOT ${SEALED_UNDER}) AS "keySets"`,
      [keys.sealing.current.id, keys.lookup.current.id],
    ),
  );
}

const NEEDED: { readonly [Purpose in KeyPurpose]: string } = {
  seal: `SELECT 1 AS needed FROM {secret_keys} WHERE ${SEALED_UNDER}
    UNION ALL SELECT 1 FROM {key_sets} WHERE ${SEALED_UNDER} LIMIT 1`,
  lookup: `SELECT 1 AS needed FROM {secret_keys} WHERE key_id = $1
    UNION ALL SELECT 1 FROM {client_secrets} WHERE key_id = $1 LIMIT 1`,
};

/** Milliseconds for which a key is kept beside a newer one, though no row is under it: answers to requests may be. */
const KEPT_BESIDE: { readonly [Purpose in KeyPurpose]: number } = { seal: KEYS_SPREAD, lookup: REQUESTS_KEPT };

/** Removes older keys that no value is under, once no replica can make one any more. @returns their ids */
export async function removeUnneededKeys(store: SqlStore, actor: string): Promise<readonly string[]> {
  const { lookup, sealing } = store.keys;
  if (lookup.all.length === 1 && sealing.byId.size === 1) return [];
  return removeStoreKeys(store, actor, async (sql, keys) => {
    const removable: string[] = [];
    for (const { id, purpose } of keys) {
      const newest = newestOf(keys, purpose);
      if (id === newest.id || (await createdAt(sql, newest.id)) > store.now() - KEPT_BESIDE[purpose]) continue;
      if ((await sql.query(NEEDED[purpose], [id])).length === 0) removable.push(id);
    }
    return removable;
  });
}

const newestOf = (keys: readonly NewStoreKey[], purpose: KeyPurpose): NewStoreKey =>
  theRow(keys.filter((key) => key.purpose === purpose));

async function createdAt(sql: Sql, id: string): Promise<number> {
  return theRow(await sql.query<{ at: number }>(`SELECT created_at AS at FROM {store_keys} WHERE id = $1`, [id])).at;
}

/**
 * Digests a client's secret again under the newest look-up key, unless the secret was replaced meanwhile. No other process
 * needs to hear of it: the old key stays until nothing is under it.
 *
 * @param keyId the look-up key under which the secret was found to be the client's
 * @returns true if it was digested again
 */
export async function renewClientDigest(
  { engine, keys: { lookup } }: SqlStore,
  clientId: string,
  keyId: string,
  secret: Secret,
): Promise<boolean> {
  const [old, { current }] = [lookup.byId.get(keyId), lookup];
  if (old === undefined || old.id === current.id) return false;
  // In the queue of this process's changes: SQLite would wait for one of them synchronously, and in vain.
  const renewed = await engine.transaction((sql) =>
    sql.query(
      `UPDATE {client_secrets} SET key_id = $1, digest = $2 WHERE client_id = $3 AND key_id = $4 AND digest = $5
        AND EXISTS (SELECT 1 FROM {feed_head} WHERE id = 1 AND min_writer <= ${FORMAT}) RETURNING id`,
      [
        current.id,
        clientSecretDigest(current, clientId, secret),
        clientId,
        keyId,
        clientSecretDigest(old, clientId, secret),
      ],
    ),
  );
  return renewed.length > 0;
}
