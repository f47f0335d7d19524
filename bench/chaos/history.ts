// What happened in a run, on the one clock of the process that drives it. All times are milliseconds of that clock.

/** A change that alters the right answers about one token. */
export interface Change {
  /** The token's name. */
  readonly item: string;
  /** What was done, for reports: `revoke by jti`. */
  readonly what: string;
  /** Whether it takes the token's acceptance away, so that a late answer counts as a revoked token accepted. */
  readonly isRevocation: boolean;
  /** When it was sent; from then on it may hold. */
  readonly began: number;
  /** When the store acknowledged it; from then on it must reach everyone. Undefined while the outcome is unknown. */
  acknowledged: number | undefined;
  /** The right answers while it holds; several where either may hold, as after a restored store. */
  readonly outcomes: readonly string[];
}

/** A token that calls ask about. */
export interface Item {
  readonly name: string;
  /** The right answers before any change. */
  readonly outcomes: readonly string[];
  /** In the order in which they began. */
  readonly changes: Change[];
}

/** A verdict that a call gave about one token. */
export interface Verdict {
  readonly item: string;
  /** The replica or gateway that was asked, and how: `unary`, `batch`, `stream` or a vendor. */
  readonly target: string;
  readonly via: string;
  readonly sent: number;
  readonly answered: number;
  /** `verified`, `rejected` or `refused` (the caller's credential), and after a colon what the answer says beyond that. */
  readonly outcome: string;
  /** How long before it the replica began the poll that it rests on, in milliseconds; undefined where an answer does not say it. */
  readonly feedAge?: number | undefined;
  /** Whether it was asked at the end, with all faults over, to see which changes are still there. */
  readonly isAudit?: boolean;
}

/** A call without a verdict. */
export interface Failure {
  readonly target: string;
  readonly via: string;
  readonly sent: number;
  readonly answered: number;
  /** A gRPC status, an HTTP status or an error's code. */
  readonly code: string;
}

/** The time of one fault. */
export interface FaultWindow {
  readonly fault: string;
  readonly from: number;
  /** When the fault was taken away. */
  until: number;
  /** How long after that it may still be felt, in milliseconds. */
  readonly recovery: number;
  /** The targets whose calls may fail. */
  readonly failing: ReadonlySet<string>;
  /** The targets that may not hear of changes. */
  readonly deaf: ReadonlySet<string>;
}

/** All of a run. */
export interface History {
  readonly items: ReadonlyMap<string, Item>;
  readonly verdicts: readonly Verdict[];
  readonly failures: readonly Failure[];
  readonly windows: readonly FaultWindow[];
}
