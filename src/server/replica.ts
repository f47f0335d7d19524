import type { Logger } from "pino";
import { DirectoryError } from "../directory/errors.js";
import type { FeedEvent } from "../directory/feed-follower.js";
import type { OperatorStore, SeenReplica } from "../directory/operator-store.js";
import type { Position } from "../directory/position.js";
import { PostgresError } from "../directory/postgres/errors.js";
import { REMEMBERED_FOR, type RecentRevocations } from "../directory/recent-revocations.js";
import { maintainStore } from "../directory/sql/maintain.js";
import { readRecentChanges } from "../directory/sql/recovery.js";
import { removeReplica, writeReplica } from "../directory/sql/replicas.js";
import type { SqlStore } from "../directory/sql/store.js";
import { tell } from "../observability/lines.js";
import { steadyClock } from "../util/clock.js";
import { until } from "../util/timeouts.js";
import { version } from "../util/version.js";
import { type ComparedClocks, clockTrouble } from "./replica-clock.js";
import { recoveryOf } from "./replica-recovery.js";
import { drawReplicaId, type ReplicaReports, startReplicaReports } from "./replica-report.js";

// What a running service does to its store besides reading it: it reports, tidies up, and gives back what the store lost.

/** Milliseconds from the end of one tidying to the next. */
const MAINTAIN_EVERY = 60_000;
/** The most milliseconds that the end of a process waits for what it still does on the store. */
const LONGEST_FAREWELL = 1_000;

/** What a replica needs. */
export interface ReplicaContext {
  readonly store: SqlStore;
  readonly recent: RecentRevocations;
  readonly known: { readonly position: Position | undefined; endRecovery(): void };
  readonly clocks: ComparedClocks;
  readonly log: Logger;
}

/** A process that serves from a store, as the store and its operators know it. */
export interface Replica {
  /** Since when the store has left a report without an answer, on the steady clock; Infinity if it has not. */
  readonly unansweredSince: number;
  /** Revocations that were restored since the start. */
  readonly restored: number;
  /** The store as operators see it through this replica: no changes while its clock is wrong. */
  readonly operators: OperatorStore;
  /** Takes an event of the feed; its position may come after it, in the same turn. */
  take(event: FeedEvent): void;
  /** Ends, and removes itself from the store. */
  stop(): Promise<void>;
}

/**
 * Starts the life of a replica, whose feed was read once. On SQLite, where all processes are on one machine and writing holds
 * up the whole process, it writes no reports: operators see the replica that they ask.
 *
 * @param operators the store as operators see it, which the replica's own adds to
 */
export async function startReplica(context: ReplicaContext, operators: OperatorStore): Promise<Replica> {
  const { store, recent, known, clocks, log } = context;
  const [id, startedAt] = [drawReplicaId(), clocks.clock()];
  const isShared = store.engine.dialect === "postgres";
  for (const { change, at } of await readRecentChanges(store, clocks.clock() - REMEMBERED_FOR)) recent.note(change, at);
  const position = (): Position => known.position ?? { number: 0, mark: "" };
  const reports = isShared
    ? startReplicaReports({
        write: () => writeReplica(store, { id, version: version(), startedAt, position: position() }),
        isAnswer,
        clock: steadyClock,
        onFailure: (err) => tell(log, "replica cannot report", { err }),
        onRecovery: () => tell(log, "replica can report again", {}),
      })
    : undefined;
  const recovery = recoveryOf(store, recent, log, () => known.endRecovery());
  const maintenance = startMaintenance(store, log);
  return {
    get unansweredSince() {
      return reports?.unansweredSince ?? Number.POSITIVE_INFINITY;
    },
    get restored() {
      return recovery.restored;
    },
    operators: withReplica(operators, clocks, isShared ? undefined : { id, position, store }),
    take(event) {
      if (event.kind === "restart" && event.isOtherHistory === true) recovery.begin();
      if (event.kind === "changes" && event.changes.some(({ kind }) => kind === "revoked")) reports?.soon();
    },
    async stop() {
      await Promise.all([maintenance.stop(), until(recovery.stop(), LONGEST_FAREWELL)]);
      if (reports !== undefined) await until(farewell(reports, store, id), LONGEST_FAREWELL);
    },
  };
}

/** A server that says it is read-only is no primary, and what it answers is no sign that it can be written. */
const isAnswer = (error: unknown): boolean =>
  error instanceof PostgresError && error.isAnswer && error.state !== "25006";

async function farewell(reports: ReplicaReports, store: SqlStore, id: string): Promise<void> {
  await reports.stop();
  await removeReplica(store, id);
}

/** Tidies up once a minute. Failures are logged once, and so is the recovery. */
function startMaintenance(store: SqlStore, log: Logger): { readonly stop: () => Promise<void> } {
  let isFailing = false;
  let isStopped = false;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout;
  const schedule = (): void => {
    timer = setTimeout(() => {
      running = maintainStore(store)
        .then(
          () => {
            if (isFailing) tell(log, "store can be tidied again", {});
            isFailing = false;
          },
          (err: unknown) => {
            if (!isFailing) tell(log, "store cannot be tidied", { err });
            isFailing = true;
          },
        )
        .finally(() => {
          if (!isStopped) schedule();
        });
    }, MAINTAIN_EVERY).unref();
  };
  schedule();
  return {
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      if (running !== undefined) await until(running, LONGEST_FAREWELL);
    },
  };
}

/** The store as operators see it, with the clocks compared before a change, and with a replica that does not report itself. */
function withReplica(
  operators: OperatorStore,
  clocks: ComparedClocks,
  self: { readonly id: string; readonly position: () => Position; readonly store: SqlStore } | undefined,
): OperatorStore {
  const checkClocks = (): void => {
    const trouble = clockTrouble(clocks);
    if (trouble !== undefined) throw new DirectoryError("unavailable", `No change is made: ${trouble}.`);
  };
  return {
    ...operators,
    change: async (...change) => {
      checkClocks();
      return operators.change(...change);
    },
    importLines: async (...lines) => {
      checkClocks();
      return operators.importLines(...lines);
    },
    status: async () => {
      const status = await operators.status();
      if (self === undefined) return status;
      const { number, mark } = self.position();
      const row: SeenReplica = {
        id: self.id,
        version: version(),
        position: number,
        mark,
        seen: status.time,
        keys: self.store.settings.masterKeys.all.map((key) => key.id),
        clockOffset: 0,
      };
      return { ...status, replicas: [row] };
    },
  };
}
