import { expect } from "chai";
import { type Findings, judge } from "../../../bench/chaos/checker.js";
import type { Change, Failure, FaultWindow, Verdict } from "../../../bench/chaos/history.js";

const PROMISES = { connected: 1_000, stale: 10_000 };
const GOOD = "verified:jane@example.com";
const REVOKED = "rejected:TOKEN_REVOKED";

/** A token `t` is revoked at 1,000, which is acknowledged at 1,100. */
const revocation: Change = {
  item: "t",
  what: "revoke by jti",
  isRevocation: true,
  began: 1_000,
  acknowledged: 1_100,
  outcomes: [REVOKED],
};
const unknown: Change = { ...revocation, acknowledged: undefined };
const renamed: Change = { ...revocation, what: "rename", isRevocation: false, outcomes: ["verified:joan@example.com"] };
/** A restored store may have lost the revocation, or may have been given it again. */
const restored: Change = {
  ...revocation,
  what: "restore",
  isRevocation: false,
  began: 5_000,
  acknowledged: undefined,
  outcomes: [GOOD, REVOKED],
};

/** Replica `a` hears nothing from 2,000 to 30,000, and its calls may fail; the fault is felt 500 ms longer. */
const outage: FaultWindow = {
  fault: "outage",
  from: 2_000,
  until: 30_000,
  recovery: 500,
  failing: new Set(["a"]),
  deaf: new Set(["a"]),
};

const verdict = (sent: number, outcome: string, more: Partial<Verdict> = {}): Verdict => ({
  item: "t",
  target: "a",
  via: "unary",
  sent,
  answered: sent + 10,
  outcome,
  ...more,
});
const failure = (sent: number, target = "a"): Failure => ({
  target,
  via: "unary",
  sent,
  answered: sent + 10,
  code: "14",
});

function judged(
  changes: readonly Change[],
  verdicts: readonly Verdict[],
  windows: readonly FaultWindow[] = [],
  failures: readonly Failure[] = [],
): Findings {
  const item = { name: "t", outcomes: [GOOD], changes: [...changes] };
  return judge({ items: new Map([["t", item]]), verdicts, failures, windows }, PROMISES);
}

const KINDS = ["wrong", "goodRejected", "revokedByConnected", "revokedPastStale", "lost", "failedOutside"] as const;
/** Names the lists with an entry. */
const found = (findings: Findings): readonly string[] => KINDS.filter((kind) => findings[kind].length > 0);

describe("the checker of a chaos run", () => {
  const cases: readonly (readonly [string, readonly string[], () => Findings])[] = [
    ["accepts the right answer before a revocation", [], () => judged([revocation], [verdict(500, GOOD)])],
    [
      "accepts both answers from the sending of a revocation on",
      [],
      () => judged([revocation], [verdict(995, REVOKED), verdict(1_050, GOOD)]),
    ],
    [
      "accepts a revoked token within a second of the acknowledgement",
      [],
      () => judged([revocation], [verdict(2_100, GOOD)]),
    ],
    [
      "finds a revoked token accepted a millisecond later by a connected replica",
      ["revokedByConnected"],
      () => judged([revocation], [verdict(2_101, GOOD)]),
    ],
    [
      "accepts it when the call was sent in time, however late the answer",
      [],
      () => judged([revocation], [verdict(2_100, GOOD, { answered: 60_000 })]),
    ],
    [
      "finds a revocation in force before it was sent",
      ["goodRejected"],
      () => judged([revocation], [verdict(900, REVOKED)]),
    ],
    [
      "accepts a revoked token until `staleFor` by a replica that hears nothing",
      [],
      () => judged([revocation], [verdict(11_100, GOOD)], [outage]),
    ],
    ["finds it past `staleFor`", ["revokedPastStale"], () => judged([revocation], [verdict(11_101, GOOD)], [outage])],
    [
      "gives only the replicas of a fault that grace",
      ["revokedByConnected"],
      () => judged([revocation], [verdict(3_000, GOOD, { target: "b" })], [outage]),
    ],
    ["finds a good token rejected", ["goodRejected"], () => judged([], [verdict(500, "rejected:TOKEN_EXPIRED")])],
    ["finds a wrong reason", ["wrong"], () => judged([revocation], [verdict(9_000, "rejected:TOKEN_EXPIRED")])],
    [
      "finds an answer with another user's data",
      ["wrong"],
      () => judged([], [verdict(500, "verified:other@example.com")]),
    ],
    ["finds data of before a change a second after it", ["wrong"], () => judged([renamed], [verdict(2_101, GOOD)])],
    [
      "takes a vendor's answer without details for each with them",
      [],
      () => judged([revocation], [verdict(500, "verified"), verdict(9_000, "rejected")]),
    ],
    [
      "accepts both answers for ever after a change whose outcome is unknown",
      [],
      () => judged([unknown], [verdict(90_000, GOOD), verdict(90_000, REVOKED)]),
    ],
    [
      "accepts both answers after a restored store",
      [],
      () => judged([revocation, restored], [verdict(90_000, GOOD), verdict(4_000, REVOKED)]),
    ],
    [
      "finds a revoked token accepted before the store was restored",
      ["revokedByConnected"],
      () => judged([revocation, restored], [verdict(4_000, GOOD)]),
    ],
    [
      "finds an acknowledged change that is gone at the end",
      ["revokedByConnected", "lost"],
      () => judged([revocation], [verdict(90_000, GOOD, { isAudit: true })]),
    ],
    [
      "accepts failed calls in the window of a fault and its recovery",
      [],
      () => judged([], [], [outage], [failure(2_500), failure(30_499)]),
    ],
    ["finds a failed call after the recovery", ["failedOutside"], () => judged([], [], [outage], [failure(30_501)])],
    [
      "finds a failed call of a target that the fault does not concern",
      ["failedOutside"],
      () => judged([], [], [outage], [failure(2_500, "b")]),
    ],
  ];
  for (const [name, kinds, run] of cases) it(name, () => expect(found(run())).to.deep.equal(kinds));

  it("measures a recovery from the end of a fault to the last call that failed of it", () => {
    const { recoveries } = judged([], [], [outage], [failure(29_000), failure(30_240), failure(40_000)]);
    expect(recoveries).to.deep.equal([{ fault: "outage", failures: 2, millis: 250 }]);
  });

  it("names the change that a late answer missed", () => {
    const [late] = judged(
      [renamed, { ...revocation, began: 3_000, acknowledged: 3_100 }],
      [verdict(9_000, "verified:joan@example.com")],
    ).revokedByConnected;
    expect(late?.missed?.what).to.equal("revoke by jti");
  });
});
