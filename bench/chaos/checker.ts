import type { Change, Failure, FaultWindow, History, Item, Verdict } from "./history.js";

// Judges a run by its history alone. A verdict is wrong only if no moment between the call and its answer allows it.

/** How late a change may hold, in milliseconds. */
export interface Promises {
  /** On a replica that hears of changes. */
  readonly connected: number;
  /** On any: `store.staleFor`. */
  readonly stale: number;
}

/** A verdict that no moment of its call allows, and what would have been right. */
export interface Misjudged {
  readonly verdict: Verdict;
  readonly allowed: readonly string[];
  /** The change that it missed, if an earlier answer was given too late. */
  readonly missed: Change | undefined;
}

/** How long a fault was felt. */
export interface Recovery {
  readonly fault: string;
  /** Failed calls in its window. */
  readonly failures: number;
  /** Milliseconds from its end to the answer of the last failed call; 0 if none failed afterwards. */
  readonly millis: number;
}

/** What a run has shown; everything but `verdicts` and `recoveries` must be empty. */
export interface Findings {
  readonly verdicts: number;
  readonly wrong: readonly Misjudged[];
  readonly goodRejected: readonly Misjudged[];
  readonly revokedByConnected: readonly Misjudged[];
  readonly revokedPastStale: readonly Misjudged[];
  readonly failedOutside: readonly Failure[];
  /** Acknowledged changes that the answers at the end do not show. */
  readonly lost: readonly Change[];
  readonly recoveries: readonly Recovery[];
}

/** Judges a run. @throws if a verdict is about no item of the history */
export function judge(history: History, promises: Promises): Findings {
  const { items, verdicts, failures, windows } = history;
  const found = {
    wrong: [] as Misjudged[],
    goodRejected: [] as Misjudged[],
    revokedByConnected: [] as Misjudged[],
    revokedPastStale: [] as Misjudged[],
  };
  const lost = new Set<Change>();
  for (const verdict of verdicts) {
    const item = items.get(verdict.item);
    if (item === undefined) throw new Error(`a verdict is about ${verdict.item}, which the history does not have`);
    // An answer that says how old its knowledge is decides itself whether the replica was connected.
    const isDeaf =
      verdict.feedAge === undefined
        ? windows.some((window) => window.deaf.has(verdict.target) && within(window, verdict))
        : verdict.feedAge >= promises.connected;
    const allowed = allowedOutcomes(item, verdict, isDeaf ? promises.stale : promises.connected);
    if (allowed.some((outcome) => isSame(outcome, verdict.outcome))) continue;
    const missed = missedChange(item, verdict);
    const last = item.changes.findLast(({ acknowledged }) => acknowledged !== undefined);
    if (verdict.isAudit === true && last !== undefined) lost.add(last);
    found[kindOf(verdict, allowed, missed, isDeaf)].push({ verdict, allowed, missed });
  }
  return {
    verdicts: verdicts.length,
    ...found,
    failedOutside: failures.filter(
      (failure) => !windows.some((window) => window.failing.has(failure.target) && within(window, failure)),
    ),
    lost: [...lost],
    recoveries: windows.map((window) => recoveryOf(window, failures)),
  };
}

/** Returns the outcomes that were right at some moment of a call, if changes hold at most `grace` milliseconds late. */
function allowedOutcomes({ outcomes, changes }: Item, { sent, answered }: Verdict, grace: number): readonly string[] {
  const states = [{ began: Number.NEGATIVE_INFINITY, outcomes }, ...changes];
  return states.flatMap((state, n) => {
    // Any later change that was acknowledged ends a state, even if one in between has an unknown outcome.
    const end = Math.min(...changes.slice(n).map(({ acknowledged }) => acknowledged ?? Number.POSITIVE_INFINITY));
    return state.began <= answered && sent <= end + grace ? state.outcomes : [];
  });
}

/** Returns the change that an outcome of an earlier state missed. */
function missedChange({ outcomes, changes }: Item, { outcome, answered }: Verdict): Change | undefined {
  const states = [{ began: Number.NEGATIVE_INFINITY, outcomes }, ...changes];
  const at = states.findLastIndex(
    (state) => state.began <= answered && state.outcomes.some((one) => isSame(one, outcome)),
  );
  return at === -1 ? undefined : changes[at];
}

function kindOf(
  { outcome }: Verdict,
  allowed: readonly string[],
  missed: Change | undefined,
  isDeaf: boolean,
): "wrong" | "goodRejected" | "revokedByConnected" | "revokedPastStale" {
  const isAccepted = (one: string): boolean => one.startsWith("verified");
  if (isAccepted(outcome) && !allowed.some(isAccepted) && missed?.isRevocation === true) {
    return isDeaf ? "revokedPastStale" : "revokedByConnected";
  }
  return !isAccepted(outcome) && allowed.every(isAccepted) ? "goodRejected" : "wrong";
}

/** The vendors' endpoints say less than gRPC: an outcome without a detail fits each with the same first word. */
function isSame(one: string, other: string): boolean {
  const [kind, detail] = one.split(":");
  const [otherKind, otherDetail] = other.split(":");
  return kind === otherKind && (detail === undefined || otherDetail === undefined || detail === otherDetail);
}

/** Whether a call and a fault, with its recovery, overlap. */
function within(
  window: FaultWindow,
  { sent, answered }: { readonly sent: number; readonly answered: number },
): boolean {
  return answered >= window.from && sent <= window.until + window.recovery;
}

function recoveryOf(window: FaultWindow, failures: readonly Failure[]): Recovery {
  const felt = failures.filter((failure) => window.failing.has(failure.target) && within(window, failure));
  return {
    fault: window.fault,
    failures: felt.length,
    millis: felt.reduce((most, { answered }) => Math.max(most, answered - window.until), 0),
  };
}
