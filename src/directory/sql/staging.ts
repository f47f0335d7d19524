import { randomBytes } from "node:crypto";
import type { Issue } from "../../util/issues.js";
import type { PutUser } from "../commands.js";
import { type Revocation, revocationKey } from "../revocation.js";
import { clientSecretDigest, type NamedKey, seal, secretKeyDigest } from "../sealing.js";
import type { StoreKeys } from "../store-keys.js";
import type {
  ExportHead,
  ImportEntry,
  ImportLine,
  PutClientDigest,
  PutRevocation,
  PutStoredInstance,
} from "../transfer/import.js";
import { ImportIssues } from "../transfer/import.js";
import { sealedAt } from "./lookups.js";
import type { Engine, Sql } from "./sql.js";
import { StagingTables } from "./staging-tables.js";

/** What staging needs to know of the store. */
export interface StagingContext {
  readonly dialect: Engine["dialect"];
  readonly storeId: string;
  readonly keys: StoreKeys;
  /** Milliseconds since 1970, by the store's clock. */
  readonly now: number;
  /** Takes the export of another store. */
  readonly fromOtherStore: boolean;
}

/** What was staged, besides the rows. */
export interface Staged {
  /** The look-up keys of another store that clients' digests need, by id. */
  readonly foreignKeys: ReadonlyMap<string, NamedKey>;
  readonly hasRevocations: boolean;
}

/** A revocation of an import, with its comment. */
export interface StagedRevocation extends Revocation {
  readonly comment: string;
}

/** Seconds by which a revocation's `issuedBefore` may be ahead of the store's clock. */
const MOST_AHEAD = 60;
/** Issues of one kind that are read to be reported. */
const REPORTED = 100;

/**
 * Writes the lines of an import into temporary tables, with secrets sealed and digested as in the store.
 *
 * @throws ImportError `invalid` for lines that cannot be stored, or that put the same twice
 */
export async function stageLines(sql: Sql, context: StagingContext, lines: AsyncIterable<ImportLine>): Promise<Staged> {
  const found = new ImportIssues();
  const stager = new Stager(await StagingTables.make(sql, context.dialect), context);
  for await (const { line, entry, issues } of lines) {
    const wrong = issues ?? (await stager.add(line, entry));
    for (const issue of wrong) found.add(line, issue);
  }
  await stager.tables.flush();
  await findRepeated(sql, found);
  found.check("invalid");
  await stager.tables.index();
  return { foreignKeys: stager.foreignKeys, hasRevocations: stager.hasRevocations };
}

/** Stages entries one by one. */
class Stager {
  readonly foreignKeys = new Map<string, NamedKey>();
  hasRevocations = false;

  constructor(
    readonly tables: StagingTables,
    private readonly context: StagingContext,
  ) {}

  /** @returns what is wrong with the entry */
  async add(line: number, entry: ImportEntry): Promise<readonly Issue[]> {
    switch (entry.kind) {
      case "store":
        return this.#checkHead(entry);
      case "putInstance": {
        const secretKeys = entry.secretKeys.map((secret) => ({ secret, retiresAt: null }));
        return this.#addInstance(line, { ...entry, kind: "putStoredInstance", secretKeys });
      }
      case "putStoredInstance":
        return this.#addInstance(line, entry);
      case "putUser":
        return this.#addUser(line, entry);
      case "putClient": {
        const { clientId, clientSecret } = entry;
        const key = this.context.keys.lookup.current;
        const digest = clientSecretDigest(key, clientId, clientSecret);
        const secrets = [{ key, digest, retiresAt: null }];
        return this.#addClient(line, { kind: "putClientDigest", clientId, secrets });
      }
      case "putClientDigest":
        return this.#addClient(line, entry);
      case "putRevocation":
        return this.#addRevocation(line, entry);
    }
  }

  #checkHead({ id }: ExportHead): readonly Issue[] {
    if (id === this.context.storeId || this.context.fromOtherStore) return [];
    const message =
      "is the head of another store's export: give --from-other-store if this store is to have its entries";
    return [{ place: "store", message }];
  }

  async #addInstance(line: number, { id, appId, secretKeys }: PutStoredInstance): Promise<readonly Issue[]> {
    const { keys, now } = this.context;
    const { current, all } = keys.lookup;
    const compared: string[] = [];
    for (const [ordinal, { secret, retiresAt }] of secretKeys.entries()) {
      if (isGone(retiresAt, now)) continue;
      const digest = secretKeyDigest(current, secret);
      const hex = digest.toString("hex");
      compared.push(comparable(hex, retiresAt));
      await this.tables.add("secret_keys", {
        line,
        instance_id: id,
        ordinal,
        digest: hex,
        key_id: current.id,
        id: randomId(),
        sealed: seal(keys.sealing, secret, sealedAt(id, digest)),
        created_at: now,
        retires_at: retiresAt,
      });
      for (const key of all) {
        const other = key === current ? hex : secretKeyDigest(key, secret).toString("hex");
        await this.tables.add("digests", { line, instance_id: id, ordinal, digest: other });
      }
    }
    if (compared.length === 0) return [{ place: "instance", message: "has no secret key that still counts: give one" }];
    await this.tables.add("instances", { line, id, app_id: appId, secrets: compared.join(), state: 0 });
    return [];
  }

  async #addUser(line: number, user: PutUser): Promise<readonly Issue[]> {
    const { instanceId, id, email, name, avatarUrl, provider } = user;
    const texts = { email, name, avatar_url: avatarUrl, provider };
    await this.tables.add("users", { line, instance_id: instanceId, id, ...texts, state: 0 });
    return [];
  }

  async #addClient(line: number, { clientId, secrets }: PutClientDigest): Promise<readonly Issue[]> {
    const { keys, now } = this.context;
    const compared: string[] = [];
    for (const [ordinal, { key, digest, retiresAt }] of secrets.entries()) {
      if (isGone(retiresAt, now)) continue;
      const hex = Buffer.from(digest).toString("hex");
      compared.push(comparable(`${key.id}.${hex}`, retiresAt));
      if (!keys.lookup.byId.has(key.id)) this.foreignKeys.set(key.id, key);
      await this.tables.add("client_secrets", {
        client_id: clientId,
        ordinal,
        id: randomId(),
        key_id: key.id,
        digest: hex,
        created_at: now,
        retires_at: retiresAt,
      });
    }
    if (compared.length === 0) return [{ place: "client", message: "has no secret that still counts: give one" }];
    await this.tables.add("clients", { line, id: clientId, secrets: compared.join(), state: 0 });
    return [];
  }

  async #addRevocation(line: number, { revocation, comment }: PutRevocation): Promise<readonly Issue[]> {
    const { selector, issuedBefore, exp } = revocation;
    if (issuedBefore !== null && issuedBefore > this.context.now / 1000 + MOST_AHEAD) {
      return [{ place: "revocation.issuedBefore", message: "lies ahead: give a time of at most a minute from now" }];
    }
    this.hasRevocations = true;
    await this.tables.add("revocations", {
      line,
      key: revocationKey(selector).toString("hex"),
      realm: selector.realm,
      kind: selector.kind,
      issued_before: issuedBefore,
      exp,
      revocation: JSON.stringify({ ...revocation, comment } satisfies StagedRevocation),
      state: 0,
    });
    return [];
  }
}

const isGone = (retiresAt: number | null, now: number): boolean => retiresAt !== null && retiresAt <= now;

/** What of a secret is compared with the store's, in a text as the store's statement makes it. */
const comparable = (digest: string, retiresAt: number | null): string => `${digest}:${retiresAt ?? 0}`;

/** An id as {@link newSecret} draws it. */
const randomId = (): string => randomBytes(9).toString("base64url");

interface Repeated {
  readonly line: number;
  readonly first: number;
  readonly total: number;
  readonly name: string;
  readonly owner: string;
}

/** Rows that are the same by some columns as one of an earlier line. */
const repeated = (table: string, by: string, name: string, owner = "''"): string => `
  SELECT *, count(*) OVER () AS total FROM (
    SELECT line, first_value(line) OVER (PARTITION BY ${by} ORDER BY line) AS first, ${name} AS name, ${owner} AS owner
    FROM ${table}) AS s
  WHERE line > first ORDER BY line LIMIT ${REPORTED}`;

const REPEATED: readonly (readonly [query: string, what: (row: Repeated) => string])[] = [
  [repeated("temp_instances", "id", "id"), ({ name }) => `the instance ${JSON.stringify(name)}`],
  [
    repeated("temp_users", "instance_id, id", "id", "instance_id"),
    ({ name, owner }) => `the user ${JSON.stringify(name)} of the instance ${JSON.stringify(owner)}`,
  ],
  [repeated("temp_clients", "id", "id"), ({ name }) => `the client ${JSON.stringify(name)}`],
  [repeated("temp_revocations", "key", "kind"), ({ name }) => `the same revocation by ${name}`],
];

// A key of an instance that is there twice is no issue of its own.
const SHARED_KEYS = `
  SELECT *, count(*) OVER () AS total FROM (
    SELECT line, ordinal, instance_id, first_value(line) OVER w AS first, first_value(instance_id) OVER w AS owner,
      row_number() OVER w AS place
    FROM temp_secret_keys WINDOW w AS (PARTITION BY digest ORDER BY line, ordinal)) AS s
  WHERE place > 1 AND (instance_id <> owner OR line = first) ORDER BY line, ordinal LIMIT ${REPORTED}`;

async function findRepeated(sql: Sql, found: ImportIssues): Promise<void> {
  for (const [query, what] of REPEATED) {
    report(found, await sql.query<Repeated>(query), (row) => ({
      place: "",
      message: `puts ${what(row)} again, after line ${row.first}: remove one of the two`,
    }));
  }
  type Shared = Repeated & { readonly ordinal: number };
  report(found, await sql.query<Shared>(SHARED_KEYS), ({ line, first, ordinal }) => ({
    place: `instance.secretKeys[${ordinal}]`,
    message:
      line === first
        ? "is in the list twice: remove one of the two"
        : `is a key of line ${first} already: give each instance keys of its own`,
  }));
}

/** Reports rows that were limited, and counts the others. */
export function report<Row extends { readonly line: number; readonly total: number }>(
  found: ImportIssues,
  rows: readonly Row[],
  issueOf: (row: Row) => Issue,
): void {
  for (const row of rows) found.add(row.line, issueOf(row));
  found.addMore((rows[0]?.total ?? 0) - rows.length);
}
