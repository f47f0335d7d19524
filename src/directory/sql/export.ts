import type { User } from "../model.js";
import { SELECTOR_KINDS, SELECTOR_SCOPES } from "../revocation.js";
import { unseal } from "../sealing.js";
import type { StoreKeys } from "../store-keys.js";
import type {
  ClientDigest,
  ExportOptions,
  PutClientDigest,
  PutRevocation,
  PutStoredInstance,
  StoredEntry,
} from "../transfer/import.js";
import { sealedAt, theRow } from "./lookups.js";
import type { Connection, Sql } from "./sql.js";
import type { SqlStore } from "./store.js";

/** Rows of a page. A page on SQLite is read within this process, and holds it up for some milliseconds. */
const PAGE = { sqlite: 1_000, postgres: 10_000 } as const;

/**
 * All entries of a store. Memory does not grow with their number. Each page is as the store was when it was read: an entry
 * that changes meanwhile is exported as it was before or after, and a user only with its instance.
 */
export async function* exportEntries(
  store: SqlStore,
  { revocations = false, snapshot = false }: ExportOptions = {},
): AsyncGenerator<StoredEntry> {
  const connection = await store.engine.connect();
  try {
    if (snapshot) yield* inSnapshot(connection, (sql) => new Exporter(store, sql).entries(revocations));
    else yield* new Exporter(store, connection).entries(revocations);
  } finally {
    await connection.close();
  }
}

/** Yields what is read in one snapshot, which ends with the last of it. */
async function* inSnapshot<Item>(
  connection: Connection,
  read: (sql: Sql) => AsyncGenerator<Item>,
): AsyncGenerator<Item> {
  let end = (): void => {};
  let snapshot: Promise<void> | undefined;
  const begun = new Promise<Sql>((resolve, reject) => {
    snapshot = connection.snapshot((sql) => {
      resolve(sql);
      return new Promise<void>((ended) => {
        end = ended;
      });
    });
    snapshot.catch(reject);
  });
  try {
    yield* read(await begun);
  } finally {
    end();
    await snapshot;
  }
}

/** A secret of a client. */
interface ClientRow {
  readonly id: string;
  readonly keyId: string | null;
  readonly digest: Buffer;
  readonly retiresAt: number | null;
}

/** Reads the entries of one export, page by page. */
class Exporter {
  #keys: StoreKeys | undefined;
  readonly #limit: number;

  constructor(
    private readonly store: SqlStore,
    private readonly sql: Sql,
  ) {
    this.#limit = PAGE[store.engine.dialect];
  }

  async *entries(withRevocations: boolean): AsyncGenerator<StoredEntry> {
    yield* this.#head();
    yield* this.#instances();
    yield* this.#clients();
    if (withRevocations) yield* this.#revocations();
  }

  /** The head of the export at its beginning, and another one once the store's keys have changed. */
  async *#head(): AsyncGenerator<StoredEntry> {
    const { version } = theRow(
      await this.sql.query<{ version: number }>(`SELECT keys_version AS version FROM {feed_head} WHERE id = 1`),
    );
    const keys = await this.store.refreshKeys(this.sql, version);
    if (keys === this.#keys) return;
    this.#keys = keys;
    yield { kind: "store", id: this.store.id, lookupKeys: keys.lookup.all };
  }

  async *#instances(): AsyncGenerator<StoredEntry> {
    let after = "";
    for (;;) {
      const page = await this.#instancePage(after);
      const last = page.at(-1);
      if (last === undefined) return;
      yield* this.#head();
      yield* page;
      yield* this.#users(after, last.id, new Set(page.map(({ id }) => id)));
      after = last.id;
    }
  }

  async #instancePage(after: string): Promise<readonly PutStoredInstance[]> {
    type Row = { id: string; appId: string; digest: Buffer | null; sealed: string; retiresAt: number | null };
    const rows = await this.sql.query<Row>(
      `SELECT i.id, i.app_id AS "appId", k.digest, k.sealed, k.retires_at AS "retiresAt"
      FROM (SELECT id, app_id FROM {instances} WHERE id > $1 ORDER BY id LIMIT $2) AS i
        LEFT JOIN {secret_keys} k ON k.instance_id = i.id AND (k.retires_at IS NULL OR k.retires_at > $3)
      ORDER BY i.id, k.ordinal`,
      [after, this.#limit, this.store.now()],
    );
    const { sealing } = await this.#currentKeys();
    return grouped(rows, ({ id }) => id).map((secrets) => ({
      kind: "putStoredInstance",
      id: secrets[0].id,
      appId: secrets[0].appId,
      secretKeys: secrets.flatMap(({ id, digest, sealed, retiresAt }) =>
        digest === null ? [] : [{ secret: unseal(sealing, sealed, sealedAt(id, digest)), retiresAt }],
      ),
    }));
  }

  /** The keys at this moment: a page may hold what was sealed under one that was drawn since. */
  async #currentKeys(): Promise<StoreKeys> {
    const { version } = theRow(
      await this.sql.query<{ version: number }>(`SELECT keys_version AS version FROM {feed_head} WHERE id = 1`),
    );
    return this.store.refreshKeys(this.sql, version);
  }

  /** The users of instances between two. @param known the instances that were exported */
  async *#users(after: string, last: string, known: ReadonlySet<string>): AsyncGenerator<StoredEntry> {
    let [instanceId, id] = [after, "\u{10ffff}"];
    for (;;) {
      const rows: User[] = await this.sql.query<User>(
        `SELECT instance_id AS "instanceId", id, email, name, avatar_url AS "avatarUrl", provider FROM {users}
        WHERE (instance_id, id) > ($1, $2) AND instance_id <= $3 ORDER BY instance_id, id LIMIT $4`,
        [instanceId, id, last, this.#limit],
      );
      const end = rows.at(-1);
      if (end === undefined) return;
      for (const user of rows) if (known.has(user.instanceId)) yield { kind: "putUser", ...user };
      ({ instanceId, id } = end);
    }
  }

  async *#clients(): AsyncGenerator<StoredEntry> {
    let after = "";
    for (;;) {
      const rows: ClientRow[] = await this.sql.query<ClientRow>(
        `SELECT c.id, s.key_id AS "keyId", s.digest, s.retires_at AS "retiresAt"
        FROM (SELECT id FROM {clients} WHERE id > $1 ORDER BY id LIMIT $2) AS c
          LEFT JOIN {client_secrets} s ON s.client_id = c.id AND (s.retires_at IS NULL OR s.retires_at > $3)
        ORDER BY c.id, s.ordinal`,
        [after, this.#limit, this.store.now()],
      );
      const last = rows.at(-1);
      if (last === undefined) return;
      // The head comes before the digests that need it.
      yield* this.#head();
      for (const secrets of grouped(rows, ({ id }) => id)) yield this.#client(secrets);
      after = last.id;
    }
  }

  #client(secrets: readonly [ClientRow, ...ClientRow[]]): PutClientDigest {
    const digests = secrets.flatMap(({ keyId, digest, retiresAt }): ClientDigest[] => {
      const key = this.#keys?.lookup.byId.get(keyId ?? "");
      return key === undefined ? [] : [{ key, digest, retiresAt }];
    });
    return { kind: "putClientDigest", clientId: secrets[0].id, secrets: digests };
  }

  async *#revocations(): AsyncGenerator<PutRevocation> {
    type Row = {
      readonly key: Buffer;
      readonly realm: string;
      readonly kind: number;
      readonly scope: number;
      readonly signer: string;
      readonly value: string;
      readonly issuedBefore: number | null;
      readonly exp: number | null;
      readonly comment: string;
    };
    let after: Uint8Array = new Uint8Array(0);
    for (;;) {
      const rows: Row[] = await this.sql.query<Row>(
        `SELECT r.key, n.name AS realm, r.kind, r.scope, r.signer, r.value, r.issued_before AS "issuedBefore", r.exp,
          r.comment
        FROM {revocations} r JOIN {revoked_realms} n ON n.number = r.realm WHERE r.key > $1 ORDER BY r.key LIMIT $2`,
        [after, this.#limit],
      );
      const last = rows.at(-1);
      if (last === undefined) return;
      for (const { realm, kind, scope, signer, value, issuedBefore, exp, comment } of rows) {
        const of = SELECTOR_SCOPES[scope];
        const selector = {
          realm,
          kind: SELECTOR_KINDS[kind] ?? "all",
          value,
          ...(of === "instance" && { instance: signer }),
          ...(of === "issuer" && { issuer: signer }),
        };
        yield { kind: "putRevocation", revocation: { selector, issuedBefore, exp }, comment };
      }
      after = last.key;
    }
  }
}

/** Rows that follow each other with the same key, together. */
function grouped<Row>(rows: readonly Row[], keyOf: (row: Row) => string): readonly (readonly [Row, ...Row[]])[] {
  const groups: [Row, ...Row[]][] = [];
  for (const row of rows) {
    const group = groups.at(-1);
    if (group !== undefined && keyOf(group[0]) === keyOf(row)) group.push(row);
    else groups.push([row]);
  }
  return groups;
}
