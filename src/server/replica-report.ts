import { randomBytes } from "node:crypto";
import { hostname } from "node:os";

/** Milliseconds from the end of one report to the next. */
const INTERVAL = 5_000;

/** What the reports of a replica need. */
export interface ReplicaReportOptions {
  /** Writes the row of this replica to the store. */
  readonly write: (id: string) => Promise<void>;
  /** Whether an error is the store's own answer, such as one that has no space left; a primary that is cut off gives none. */
  readonly isAnswer: (error: unknown) => boolean;
  /** Milliseconds, of a clock that is never set. */
  readonly clock: () => number;
  /** Called for the first consecutive failure. */
  readonly onFailure: (error: unknown) => void;
}

/** The reports of a replica to its store. */
export interface ReplicaReports {
  /** The host's name and random text, drawn at the start of the process. */
  readonly id: string;
  /** Milliseconds since the store last answered a report, or since the start. Past `staleFor` the replica is stale. */
  answeredAgo(): number;
  /** Stops reporting. Resolves once a report in progress has ended. */
  stop(): Promise<void>;
}

/** Reports at once, and then every 5 s. Its timer does not keep the process alive. */
export function startReplicaReports({ write, isAnswer, clock, onFailure }: ReplicaReportOptions): ReplicaReports {
  const id = `${hostname()}-${randomBytes(6).toString("hex")}`;
  let answeredAt = clock();
  let isFailing = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function report(): Promise<void> {
    const sent = clock();
    try {
      await write(id);
      answeredAt = sent;
      isFailing = false;
    } catch (error) {
      if (isAnswer(error)) answeredAt = sent;
      if (!isFailing) onFailure(error);
      isFailing = true;
    }
    if (isStopped) return;
    timer = setTimeout(() => {
      reporting = report();
    }, INTERVAL).unref();
  }

  let reporting = report();
  return {
    id,
    answeredAgo: () => clock() - answeredAt,
    stop() {
      isStopped = true;
      clearTimeout(timer);
      return reporting;
    },
  };
}
