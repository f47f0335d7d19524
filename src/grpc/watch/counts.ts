import type { FailureReason } from "../../contract/failures.js";

/** What the watches of a server have done since its start, for metrics. */
export class WatchCounts {
  /** Open watches. */
  open = 0;
  /** Changes sent. */
  sent = 0;
  /** Watchers that were too slow, and were told to drop everything. */
  resets = 0;
  /** Refused watches, by reason. */
  readonly refused: Partial<Record<FailureReason, number>> = {};

  /** Counts a refused watch. */
  refuse(reason: FailureReason): void {
    this.refused[reason] = (this.refused[reason] ?? 0) + 1;
  }
}
