import { createHmac } from "node:crypto";
import { type Command, type CommandOf, checkActor, checkCommand, entryCommand } from "../commands.js";
import { DirectoryError } from "../errors.js";
import type { Touched } from "../feed.js";
import { type AuditSubject, auditSubject, type OperatorCommand } from "../operator-commands.js";
import { type AppliedChange, RefusedChange, type RequestIdentity } from "../operator-store.js";
import type { Position } from "../position.js";
import { sameDigest } from "../sealing.js";
import type { StoreKeys } from "../store-keys.js";
import { ENTRY_COMMANDS, type EntryContext } from "./entries.js";
import { REQUESTS_KEPT, RequestTaken, record } from "./head.js";
import { checkRoom, forget, revoke, unrevoke } from "./revocations.js";
import type { Engine, Sql } from "./sql.js";
import type { SqlStore } from "./store.js";

/** The most revocations in a store by default. */
export const MAX_REVOCATIONS = 10_000_000;
/** Ended revocations that are removed to make room for new ones, in one transaction. */
const FORGOTTEN_AT_ONCE = 10_000;
/** Times that a change whose outcome is not known is looked up, and carried out again if it is not there. */
const MAX_ATTEMPTS = 3;

/** Who asks for a change, and by which request; null for a change that no operator asked for. */
export interface Author {
  readonly actor: string;
  readonly requestId: string | null;
}

/** Carries out commands, all or none, in one transaction. @returns the position after the last */
export async function applyCommands(store: SqlStore, commands: readonly Command[], actor: string): Promise<Position> {
  checkActor(actor);
  for (const command of commands) checkCommand(command);
  if (commands.length > 1_000) {
    throw new DirectoryError("invalid", `There are ${commands.length} commands. Give at most 1,000 at a time.`);
  }
  if (commands.length === 0) {
    const [head] = await store.engine.query<Position>(`SELECT number, mark FROM {feed_head} WHERE id = 1`);
    return head ?? { number: 0, mark: "" };
  }
  const { number, mark } = await store.engine.transaction((sql) =>
    carryOut(store, sql, commands, { actor, requestId: null }),
  );
  return { number, mark };
}

/** Carries out one command under a request id, once; see {@link OperatorStore.change}. */
export async function changeOnce(
  store: SqlStore,
  command: OperatorCommand,
  content: string,
  { actor, requestId }: RequestIdentity,
): Promise<AppliedChange> {
  checkActor(actor);
  checkCommand(command);
  const subject = auditSubject(command);
  const asText = JSON.stringify(subject);
  const applied = await once(store, content, requestId, {
    work: (sql, digest) =>
      carryOut(store, sql, [command], { actor, requestId }, { id: requestId, digest, answer: subject }),
    // The ids of secrets are drawn for each attempt, so the same subject is the same change.
    isOurs: (answer) => JSON.stringify(answer) === asText,
  });
  return { subject, ...applied };
}

/** What a change is answered with. */
type Answer = Omit<AppliedChange, "replayed">;

/** A transaction that is carried out once. */
export interface OnceWork {
  /** Must keep the request with the digest that it is given. */
  readonly work: (sql: Sql, digest: Uint8Array) => Promise<Position & { readonly at: number }>;
  /** Whether an answer that is found after an attempt was lost is that attempt's own, not another process's. Default: it is. */
  readonly isOurs?: (answer: AuditSubject) => boolean;
}

/**
 * Carries out a transaction under a request id, unless it was carried out before.
 *
 * @throws DirectoryError `unknown-outcome` if the store was lost at COMMIT, and cannot be asked either
 */
async function once(
  store: SqlStore,
  content: string,
  requestId: string,
  { work, isOurs = () => true }: OnceWork,
): Promise<Omit<AppliedChange, "subject"> & { readonly subject?: AuditSubject }> {
  let lost: DirectoryError | undefined;
  for (let attempt = 1; ; attempt++) {
    const look = async (): Promise<AppliedChange | undefined> => {
      const found = await answered(store, content, requestId).catch((error: unknown) => {
        throw lost ?? error;
      });
      return found && { ...found, replayed: lost === undefined || !isOurs(found.subject) };
    };
    const before = await look();
    if (before !== undefined) return before;
    try {
      const { at, number, mark } = await store.engine.transaction((sql) =>
        work(sql, requestDigest(store.keys, content)),
      );
      return { position: { number, mark }, at, replayed: false };
    } catch (error) {
      if (!(error instanceof DirectoryError)) throw error;
      if (error.code === "conflict" || error.code === "not-found") {
        // What the command contradicts may be what this request did in another process, or in an attempt that was lost.
        const after = await look();
        if (after === undefined) throw error;
        return after;
      }
      if (error.code === "unknown-outcome") lost = error;
      else if (!(error instanceof RequestTaken)) throw error;
      if (attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** The answer that a request got within 24 hours. @throws RefusedChange `request-reused` for another content */
export async function answered(store: SqlStore, content: string, requestId: string): Promise<Answer | undefined> {
  const [row] = await store.engine.query<{ version: number; digest: Buffer | null; answer: string }>(
    `SELECT h.keys_version AS version, r.digest, r.answer
    FROM {feed_head} h LEFT JOIN {requests} r ON r.id = $1 AND r.at > $2 WHERE h.id = 1`,
    [requestId, store.now() - REQUESTS_KEPT],
  );
  // Another process may have digested it under a key that this one has not read yet.
  const { lookup } = await store.refreshKeys(store.engine, row?.version ?? 0);
  const digest = row?.digest ?? undefined;
  if (row === undefined || digest === undefined) return undefined;
  if (!lookup.all.some(({ key }) => sameDigest(digestUnder(key, content), digest))) {
    throw new RefusedChange(
      "request-reused",
      "The request id was used for another change within 24 hours. Draw a new one.",
    );
  }
  const { number, mark, at, subject } = JSON.parse(row.answer) as Position & Answer;
  return { position: { number, mark }, at, subject };
}

/** What identifies the content of a request; it may contain secrets. */
export const requestDigest = ({ lookup }: StoreKeys, content: string): Buffer =>
  digestUnder(lookup.current.key, content);

const digestUnder = (key: Parameters<typeof createHmac>[1], content: string): Buffer =>
  createHmac("sha256", key).update('["request"]\0').update(content).digest();

/** Carries out commands in a transaction, and records them. */
async function carryOut(
  store: SqlStore,
  sql: Sql,
  commands: readonly Command[],
  { actor, requestId }: Author,
  request?: { readonly id: string; readonly digest: Uint8Array; readonly answer: AuditSubject },
): Promise<Position & { readonly at: number }> {
  const { engine, settings } = store;
  const { dialect } = engine;
  const { maxRevocations: max = MAX_REVOCATIONS, endOf = () => null } = settings;
  // Revocations check nothing that another change could undo, and must not wait for an import.
  const isGuarded = commands.some(({ kind }) => kind !== "revoke" && kind !== "unrevoke");
  const keys = await beginWriting(store, sql, isGuarded);
  const now = store.now();
  const context: EntryContext = { sql, keys, now };
  const touched: Touched[] = [];
  let more = 0;
  for (const [index, command] of commands.entries()) {
    switch (command.kind) {
      case "revoke": {
        if (touched.length > index) break; // made with an earlier one
        const run = revocationsFrom(commands, index);
        const all = run.flatMap(({ revocations, comment }) => revocations.map((one) => ({ comment, ...one })));
        more += (await revoke({ sql, dialect, now, actor, endOf }, all, "")).more;
        touched.push(...run.map(({ revocations }) => ({ kind: "revoked" as const, revocations })));
        break;
      }
      case "unrevoke": {
        const removed = await unrevoke(sql, dialect, command.selectors);
        touched.push(removed.touched);
        more += removed.more;
        break;
      }
      case "seed":
        await seed(context, command.entries.map(entryCommand));
        touched.push({ kind: "reset" });
        break;
      default:
        touched.push(await carryOutOn(context, command));
    }
  }
  const audit = commands.map((command) => ({
    actor,
    requestId,
    command: command.kind,
    subject: command.kind === "seed" ? { entries: command.entries.length } : auditSubject(command),
    outcome: "done",
  }));
  const revocations = commands.flatMap((command) => (command.kind === "revoke" ? command.revocations : []));
  if (more > 0) {
    const [{ total } = { total: 0 }] = await sql.query<{ total: number }>(
      `SELECT revocations + $1 AS total FROM {feed_head} WHERE id = 1`,
      [more],
    );
    if (total > max - Math.ceil(max / 100)) more -= await forget(sql, dialect, now, FORGOTTEN_AT_ONCE);
  }
  const head = await record(sql, dialect, { touched, audit, revocations: more, at: now, request });
  if (revocations.length > 0) checkRoom(head.revocations, revocations, max);
  return { number: head.number, mark: head.mark, at: now };
}

/**
 * Begins a change in a transaction.
 *
 * @param guarded takes the write lock, so that what the change checks still holds when it writes
 * @returns the store's keys at this moment
 * @throws DirectoryError `unusable` for a store that moved
 */
export async function beginWriting(store: SqlStore, sql: Sql, guarded: boolean): Promise<StoreKeys> {
  if (guarded) await lock(sql, store.engine.dialect);
  const [row] = await sql.query<{ version: number; movedTo: string | null }>(
    `SELECT h.keys_version AS version, s.moved_to AS "movedTo" FROM {feed_head} h JOIN {store} s ON s.id = 1 WHERE h.id = 1`,
  );
  if (row?.movedTo) {
    throw new DirectoryError(
      "unusable",
      `The store was copied to ${row.movedTo} and takes no changes. Use the new one.`,
    );
  }
  return store.refreshKeys(sql, row?.version ?? 0);
}

/** Revocations that are made in one statement, beyond those of its first command: some 3 MB. */
const MADE_AT_ONCE = 10_000;

/**
 * The revocations from one command on that follow each other, to be made in one statement: it locks their rows in the order
 * of their keys, whatever the order of the commands, so that two transactions do not wait for each other.
 */
function revocationsFrom(commands: readonly Command[], first: number): readonly CommandOf<"revoke">[] {
  const run: CommandOf<"revoke">[] = [];
  let count = 0;
  for (const command of commands.slice(first)) {
    if (command.kind !== "revoke" || (run.length > 0 && count + command.revocations.length > MADE_AT_ONCE)) break;
    run.push(command);
    count += command.revocations.length;
  }
  return run;
}

async function lock(sql: Sql, dialect: Engine["dialect"]): Promise<void> {
  // A transaction that writes has SQLite for itself.
  if (dialect === "postgres") await sql.query(`SELECT id FROM {write_lock} WHERE id = 1 FOR UPDATE`);
}

async function seed(context: EntryContext, commands: readonly OperatorCommand[]): Promise<void> {
  const [head] = await context.sql.query<{ number: number }>(`SELECT number FROM {feed_head} WHERE id = 1`);
  if (head?.number !== 0) {
    throw new DirectoryError("conflict", "The store was written to before. Import into it instead of seeding it.");
  }
  for (const command of commands) await carryOutOn(context, command);
}

const carryOutOn = (context: EntryContext, command: OperatorCommand): Promise<Touched> =>
  (ENTRY_COMMANDS as Record<string, (command: OperatorCommand, context: EntryContext) => Promise<Touched>>)[
    command.kind
  ]?.(command, context) ?? Promise.reject(new RangeError(`no command ${command.kind}`));
