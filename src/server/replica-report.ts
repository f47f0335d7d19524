import { randomBytes } from "node:crypto";
import { hostname } from "node:os";

/** Milliseconds from the end of one report to the next. */
const INTERVAL = 5_000;
/** The same where a report is wanted soon. */
const SOON = 1_000;

/** What the reports of a replica need. */
export interface ReplicaReportOptions {
  /** Writes the row of this replica to the store. */
  readonly write: () => Promise<void>;
  /** Whether an error is the store's own answer, such as one that has no space left; a primary that is cut off gives none. */
  readonly isAnswer: (error: unknown) => boolean;
  /** Milliseconds, of a clock that is never set. */
  readonly clock: () => number;
  /** Called for the first consecutive failure. */
  readonly onFailure: (error: unknown) => void;
  /** Called for the first success after failures. */
  readonly onRecovery?: () => void;
}

/** The reports of a replica to its store. */
export interface ReplicaReports {
  /**
   * When the first report was sent of those that the store has left without an answer, by the clock; Infinity if there is
   * none. Past `staleFor` the replica is stale.
   */
  readonly unansweredSince: number;
  /** Reports once more: at once, or a second after the start of the last report. */
  soon(): void;
  /** Stops reporting. Resolves once a report in progress has ended. */
  stop(): Promise<void>;
}

/** Draws the id of a replica: the host's name and random text. */
export const drawReplicaId = (): string => `${hostname()}-${randomBytes(6).toString("hex")}`;

/** Reports at once, and then every 5 s. Its timer does not keep the process alive. */
export function startReplicaReports(options: ReplicaReportOptions): ReplicaReports {
  const { write, isAnswer, clock, onFailure, onRecovery = () => {} } = options;
  let unansweredSince = Number.POSITIVE_INFINITY;
  let sentAt = clock();
  let isFailing = false;
  let isStopped = false;
  let isWanted = false;
  let isWriting = false;
  let timer: NodeJS.Timeout | undefined;

  async function report(): Promise<void> {
    sentAt = clock();
    isWriting = true;
    isWanted = false;
    unansweredSince = Math.min(unansweredSince, sentAt);
    try {
      await write();
      unansweredSince = Number.POSITIVE_INFINITY;
      if (isFailing) onRecovery();
      isFailing = false;
    } catch (error) {
      if (isAnswer(error)) unansweredSince = Number.POSITIVE_INFINITY;
      if (!isFailing) onFailure(error);
      isFailing = true;
    }
    isWriting = false;
    schedule(isWanted && !isFailing ? untilSoon() : INTERVAL);
  }

  const untilSoon = (): number => Math.max(0, sentAt + SOON - clock());

  function schedule(wait: number): void {
    clearTimeout(timer);
    if (isStopped) return;
    timer = setTimeout(() => {
      reporting = report();
    }, wait).unref();
  }

  let reporting = report();
  return {
    get unansweredSince() {
      return unansweredSince;
    },
    soon() {
      if (isWanted) return;
      isWanted = true;
      // While reports fail, wishes do not make them more frequent.
      if (!isWriting && !isFailing) schedule(untilSoon());
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      return reporting;
    },
  };
}
