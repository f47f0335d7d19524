import { createHmac, randomBytes } from "node:crypto";
import { AUDIT_START, auditHash } from "../../../src/directory/audit.js";
import { DirectoryError } from "../../../src/directory/errors.js";
import type { User } from "../../../src/directory/model.js";
import {
  auditSubject,
  type Expectation,
  type NewSecret,
  type OperatorCommand,
  type OperatorCommandOf,
} from "../../../src/directory/operator-commands.js";
import {
  type AppliedChange,
  type AuditRow,
  type OperatorStore,
  type Refusal,
  RefusedChange,
  type StoredRevocation,
  type StoredSecret,
} from "../../../src/directory/operator-store.js";
import { revocationKey } from "../../../src/directory/revocation.js";
import type { ImportCounts, ImportEntry } from "../../../src/directory/transfer/import.js";
import { ImportIssues } from "../../../src/directory/transfer/import.js";
import type { Secret } from "../../../src/util/secret.js";

// An OperatorStore in memory, with all that the interface promises, for tests of what is above it.

interface HeldSecret extends StoredSecret {
  readonly secret: Secret;
}

interface HeldInstance {
  readonly id: string;
  readonly appId: string;
  readonly secrets: readonly HeldSecret[];
  readonly changed: number;
}

interface HeldClient {
  readonly clientId: string;
  readonly secrets: readonly HeldSecret[];
  readonly changed: number;
}

interface Known {
  readonly kind: string;
  readonly content: string;
  readonly applied: AppliedChange;
  readonly until: number;
}

/** A store in memory, and what tests look at beside the interface. */
export interface MemoryStore extends OperatorStore {
  /** Makes every method reject until it is called without an error. */
  fail(error?: DirectoryError): void;
  /** The rows of the audit, the oldest first; a test may alter them. */
  readonly rows: AuditRow[];
  /** Whether an instance has this secret key now. */
  hasSecret(id: string, secret: string): boolean;
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const refuse = (refusal: Refusal, message = `refused: ${refusal}`): never => {
  throw new RefusedChange(refusal, message);
};

const absent = (what: string): never => {
  throw new DirectoryError("not-found", `There is no ${what}. Check the id.`);
};

function checkExpected(held: { readonly changed: number } | undefined, expect: Expectation): void {
  if (expect === "absent" && held !== undefined) refuse("exists");
  if (typeof expect === "number" && held?.changed !== expect) refuse("changed");
}

/** Makes an empty store. @param clock the store's, in milliseconds since 1970 */
export function memoryStore(clock: () => number): MemoryStore {
  const instances = new Map<string, HeldInstance>();
  const users = new Map<string, User & { readonly changed: number }>();
  const clients = new Map<string, HeldClient>();
  const revocations = new Map<string, StoredRevocation>();
  const rows: AuditRow[] = [];
  const known = new Map<string, Known>();
  const key = randomBytes(32);
  let number = 0;
  let mark = randomBytes(16).toString("base64url");
  let failing: DirectoryError | undefined;

  const userKey = (instanceId: string, id: string): string => JSON.stringify([instanceId, id]);
  const held = ({ id, secret }: NewSecret): HeldSecret => ({ id, secret, createdAt: clock(), retiresAt: null });
  const alive = (secrets: readonly HeldSecret[]): readonly HeldSecret[] =>
    secrets.filter(({ retiresAt }) => retiresAt === null || retiresAt > clock());
  const retiring = (secrets: readonly HeldSecret[], grace: number): readonly HeldSecret[] =>
    alive(secrets).map((one) => ({ ...one, retiresAt: Math.min(one.retiresAt ?? Infinity, clock() + grace) }));
  const shown = <Of extends { readonly secrets: readonly HeldSecret[] }>(entry: Of) => ({
    ...entry,
    secrets: alive(entry.secrets).map(({ id, createdAt, retiresAt }) => ({ id, createdAt, retiresAt })),
  });
  function checkUntaken(id: string, secrets: readonly NewSecret[]): void {
    for (const other of instances.values()) {
      if (other.id === id) continue;
      if (other.secrets.some((one) => secrets.some(({ secret }) => secret.reveal() === one.secret.reveal()))) {
        refuse("secret-taken", `The secret key belongs to the instance ${other.id}.`);
      }
    }
  }

  const handlers: {
    readonly [Kind in OperatorCommand["kind"]]: (command: OperatorCommandOf<Kind>, at: number) => void;
  } = {
    putInstance({ id, appId, secrets, expect }, changed) {
      const before = instances.get(id);
      checkExpected(before, expect);
      checkUntaken(id, secrets ?? []);
      const now = secrets?.map(held) ?? before?.secrets ?? refuse("last-secret");
      instances.set(id, { id, appId, secrets: now, changed });
    },
    deleteInstance({ id, expect }) {
      checkExpected(instances.get(id), expect);
      if (!instances.delete(id)) absent("instance");
      for (const [name, user] of users) if (user.instanceId === id) users.delete(name);
    },
    rotateInstanceSecret({ id, secret, grace }, changed) {
      const before = instances.get(id) ?? absent("instance");
      checkUntaken(id, [secret]);
      instances.set(id, { ...before, secrets: [held(secret), ...retiring(before.secrets, grace)], changed });
    },
    retireInstanceSecret({ id, secretId }, changed) {
      const before = instances.get(id) ?? absent("instance");
      if (!alive(before.secrets).some((one) => one.id === secretId)) absent("secret key");
      const secrets = alive(before.secrets).filter((one) => one.id !== secretId);
      if (secrets.every(({ retiresAt }) => retiresAt !== null)) refuse("last-secret");
      instances.set(id, { ...before, secrets, changed });
    },
    putUser({ user, expect }, changed) {
      if (!instances.has(user.instanceId)) absent("instance");
      checkExpected(users.get(userKey(user.instanceId, user.id)), expect);
      users.set(userKey(user.instanceId, user.id), { ...user, changed });
    },
    deleteUser({ instanceId, id, expect }) {
      checkExpected(users.get(userKey(instanceId, id)), expect);
      if (!users.delete(userKey(instanceId, id))) absent("user");
    },
    putClient({ clientId, secret, expect }, changed) {
      checkExpected(clients.get(clientId), expect);
      clients.set(clientId, { clientId, secrets: [held(secret)], changed });
    },
    deleteClient({ clientId, expect }) {
      checkExpected(clients.get(clientId), expect);
      if (!clients.delete(clientId)) absent("client");
    },
    rotateClientSecret({ clientId, secret, grace }, changed) {
      const before = clients.get(clientId) ?? absent("client");
      const staying = before.secrets.filter(({ retiresAt }) => retiresAt === null);
      clients.set(clientId, { clientId, secrets: [held(secret), ...retiring(staying, grace)], changed });
    },
    revoke({ revocations: made, comment }, changed) {
      for (const one of made) {
        revocations.set(revocationKey(one.selector).toString("base64url"), { ...one, comment, at: clock(), changed });
      }
    },
    unrevoke({ selectors }) {
      const keys = selectors.map((one) => revocationKey(one).toString("base64url"));
      for (const one of keys) if (!revocations.has(one)) absent("such revocation");
      for (const one of keys) revocations.delete(one);
    },
  };

  function audit(row: Omit<AuditRow, "number" | "at" | "hash" | "subject"> & { readonly subject: object }): void {
    const content = { ...row, number: rows.length + 1, at: clock(), subject: JSON.stringify(row.subject) };
    rows.push({ ...content, hash: auditHash(rows.at(-1)?.hash ?? AUDIT_START, content) });
  }

  function once(
    kind: string,
    text: string,
    { actor, requestId }: { readonly actor: string; readonly requestId: string },
    apply: (changed: number) => object,
  ): AppliedChange {
    const content = createHmac("sha256", key).update(text).digest("base64url");
    const before = known.get(requestId);
    if (before !== undefined && before.until > clock()) {
      if (before.kind !== kind || before.content !== content) refuse("request-reused");
      return { ...before.applied, replayed: true };
    }
    const subject = apply(number + 1);
    number += 1;
    mark = randomBytes(16).toString("base64url");
    audit({ change: number, actor, requestId, command: kind, subject, outcome: "done" });
    const applied = { position: { number, mark }, at: clock(), replayed: false, subject } as AppliedChange;
    known.set(requestId, { kind, content, applied, until: clock() + 86_400_000 });
    return applied;
  }

  const working = async <Result>(work: () => Result): Promise<Result> => {
    if (failing !== undefined) throw failing;
    return work();
  };
  const after = <Entry>(
    entries: Iterable<Entry>,
    placeOf: (entry: Entry) => string,
    place: string | undefined,
    limit: number,
  ): Entry[] =>
    [...entries]
      .sort((a, b) => byBytes(placeOf(a), placeOf(b)))
      .filter((entry) => place === undefined || byBytes(placeOf(entry), place) > 0)
      .slice(0, limit);
  const place = (instanceId: string, id: string): string => `${instanceId}\0${id}`;

  return {
    id: randomBytes(16).toString("base64url"),
    rows,
    fail: (error) => {
      failing = error;
    },
    hasSecret: (id, secret) => alive(instances.get(id)?.secrets ?? []).some((one) => one.secret.reveal() === secret),
    instance: (id) =>
      working(() => {
        const found = instances.get(id);
        return found === undefined ? null : shown(found);
      }),
    user: (instanceId, id) => working(() => users.get(userKey(instanceId, id)) ?? null),
    client: (clientId) =>
      working(() => {
        const found = clients.get(clientId);
        return found === undefined ? null : shown(found);
      }),
    instances: (from, limit) => working(() => after(instances.values(), ({ id }) => id, from, limit).map(shown)),
    users: (instanceId, from, limit) =>
      working(() =>
        after(
          [...users.values()].filter((user) => instanceId === undefined || user.instanceId === instanceId),
          (user) => place(user.instanceId, user.id),
          from && place(...from),
          limit,
        ),
      ),
    clients: (from, limit) =>
      working(() => after(clients.values(), ({ clientId }) => clientId, from, limit).map(shown)),
    revocations: ({ realm, kind, value, instance }, from, limit) =>
      working(() =>
        [...revocations]
          .filter(([, { selector }]) =>
            [
              [realm, selector.realm],
              [kind, selector.kind],
              [value, selector.value],
              [instance, selector.instance],
            ].every(([wanted, is]) => wanted === undefined || wanted === is),
          )
          .sort(([a], [b]) => Buffer.compare(Buffer.from(a, "base64url"), Buffer.from(b, "base64url")))
          .filter(
            ([own]) =>
              from === undefined || Buffer.compare(Buffer.from(own, "base64url"), Buffer.from(from, "base64url")) > 0,
          )
          .slice(0, limit)
          .map(([, one]) => one),
      ),
    audit: (filter, before, limit) =>
      working(() =>
        rows
          .filter(
            (row) =>
              (before === undefined || row.number < before) &&
              (filter.actor === undefined || row.actor === filter.actor) &&
              (filter.command === undefined || row.command === filter.command) &&
              (filter.since === undefined || row.at >= filter.since) &&
              (filter.before === undefined || row.at < filter.before),
          )
          .reverse()
          .slice(0, limit),
      ),
    change: (command, content, by) =>
      working(() =>
        once(command.kind, content, by, (changed) => {
          (handlers[command.kind] as (command: OperatorCommand, changed: number) => void)(command, changed);
          return auditSubject(command);
        }),
      ),
    async importLines(lines, { prune = false, dryRun = false }, contentOf, by) {
      const entries: ImportEntry[] = [];
      const issues = new ImportIssues();
      for await (const { line, entry, issues: found } of lines) {
        for (const issue of found ?? []) issues.add(line, issue);
        if (entry !== undefined) entries.push(entry);
      }
      issues.check("invalid");
      const count = (added: number): ImportCounts => ({ added, replaced: 0, unchanged: 0, removed: 0 });
      const of = (...kinds: readonly ImportEntry["kind"][]): ImportCounts =>
        count(entries.filter((entry) => kinds.includes(entry.kind)).length);
      const report = {
        instances: of("putInstance", "putStoredInstance"),
        users: of("putUser"),
        clients: of("putClient"),
      };
      return working(() => {
        if (dryRun) return { position: { number, mark }, at: clock(), replayed: false, subject: report, report };
        const applied = once("import", contentOf(), by, (changed) => {
          for (const entry of entries) {
            if (entry.kind === "putInstance" || entry.kind === "putStoredInstance") {
              const given =
                entry.kind === "putInstance" ? entry.secretKeys : entry.secretKeys.map(({ secret }) => secret);
              const secrets = given.map((secret, at) => held({ id: `imported-${at}`, secret }));
              instances.set(entry.id, { id: entry.id, appId: entry.appId, secrets, changed });
            }
            if (entry.kind === "putUser") {
              const { kind: _kind, ...user } = entry;
              users.set(userKey(user.instanceId, user.id), { ...user, changed });
            }
          }
          return { ...report, prune };
        });
        return { ...applied, report };
      });
    },
    async *export() {
      if (failing !== undefined) throw failing;
      for (const { id, appId, secrets } of instances.values()) {
        const secretKeys = alive(secrets).map(({ secret, retiresAt }) => ({ secret, retiresAt }));
        yield { kind: "putStoredInstance", id, appId, secretKeys };
      }
      for (const { changed: _changed, ...user } of users.values()) yield { kind: "putUser", ...user };
    },
    refused: ({ actor, requestId, command, subject, outcome }) =>
      working(() => audit({ change: null, actor, requestId, command, subject, outcome })),
    status: () =>
      working(() => ({
        place: "memory",
        head: { number, mark },
        time: clock(),
        instances: instances.size,
        users: users.size,
        clients: clients.size,
        revocations: revocations.size,
        masterKeys: ["0123456789abcdef"],
        replicas: [
          {
            id: "replica-1",
            version: "0.1.0",
            position: number,
            mark,
            seen: clock(),
            keys: ["0123456789abcdef"],
            clockOffset: -3,
          },
        ],
      })),
  };
}
