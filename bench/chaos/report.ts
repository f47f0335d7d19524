import type { Findings, Misjudged } from "./checker.js";
import type { Failure } from "./history.js";
import type { RunResult } from "./run.js";

// What a run has shown, as text for a terminal and as a page.

/** A row of the table: what is counted, the count, and the count that is right; undefined where any is. */
type Row = readonly [name: string, count: number, right: number | undefined];

function rowsOf({ findings, changes }: Pick<RunResult, "findings" | "changes">): readonly Row[] {
  return [
    ["verdicts given", findings.verdicts, undefined],
    ["changes acknowledged", changes, undefined],
    ["wrong verdicts", findings.wrong.length, 0],
    ["good tokens rejected", findings.goodRejected.length, 0],
    ["revoked tokens accepted after 1 s by connected replicas", findings.revokedByConnected.length, 0],
    ["revoked tokens accepted past `staleFor` by any replica", findings.revokedPastStale.length, 0],
    ["failed calls outside the windows of faults", findings.failedOutside.length, 0],
    ["acknowledged changes lost", findings.lost.length, 0],
  ];
}

/** Whether a run kept every promise. */
export function isKept(result: Pick<RunResult, "findings" | "changes">): boolean {
  return rowsOf(result).every(([, count, right]) => right === undefined || count === right);
}

/** Returns the two tables of a run in Markdown. */
export function tablesOf(result: RunResult): string {
  const rows = rowsOf(result).map(([name, count, right]) => `| ${name} | ${count} | ${right ?? ""} |`);
  const counts = ["| what | count | goal |", "| --- | ---: | ---: |", ...rows].join("\n");
  const recoveries = [...byFault(result.findings)].map(
    ([fault, { times, failures, millis }]) => `| ${fault} | ${times} | ${failures} | ${(millis / 1_000).toFixed(1)} |`,
  );
  const faults = [
    "| fault | times | calls that failed meanwhile | recovery, s |",
    "| --- | ---: | ---: | ---: |",
    ...recoveries,
  ].join("\n");
  const leftOut = result.leftOut.map(({ name, needs = [] }) => `- ${name} (needs: ${needs.join(", ")})`);
  return [counts, faults, ...(leftOut.length === 0 ? [] : [`Left out:\n\n${leftOut.join("\n")}`])].join("\n\n");
}

/** The faults of a run by name: how often each came, how many calls failed in all, and the longest recovery. */
function byFault({ recoveries }: Findings): ReadonlyMap<string, { times: number; failures: number; millis: number }> {
  const sums = new Map<string, { times: number; failures: number; millis: number }>();
  for (const { fault, failures, millis } of recoveries) {
    const sum = sums.get(fault) ?? { times: 0, failures: 0, millis: 0 };
    sums.set(fault, { times: sum.times + 1, failures: sum.failures + failures, millis: Math.max(sum.millis, millis) });
  }
  return sums;
}

/** The most examples of a kind. */
const EXAMPLES = 5;

/** Returns the first verdicts and calls that break a promise, with all that is needed to look for the cause. */
export function examplesOf({ findings, began }: RunResult): readonly string[] {
  const at = (time: number): string => `${((time - began) / 1_000).toFixed(3)} s`;
  const ofVerdict = ({ verdict, allowed, missed }: Misjudged): string =>
    `${at(verdict.sent)} ${verdict.target} ${verdict.via}: ${verdict.item} is answered ${verdict.outcome}, right: ${allowed.join(" or ")}` +
    (missed === undefined
      ? ""
      : ` (${missed.what}, acknowledged ${missed.acknowledged === undefined ? "never" : at(missed.acknowledged)})`);
  const ofFailure = (call: Failure): string =>
    `${at(call.sent)} ${call.target} ${call.via}: failed with ${call.code} after ${(call.answered - call.sent).toFixed(0)} ms`;
  const kinds = [
    ["wrong", findings.wrong.map(ofVerdict)],
    ["good rejected", findings.goodRejected.map(ofVerdict)],
    ["revoked accepted, connected", findings.revokedByConnected.map(ofVerdict)],
    ["revoked accepted, past staleFor", findings.revokedPastStale.map(ofVerdict)],
    ["failed", findings.failedOutside.map(ofFailure)],
    [
      "lost",
      findings.lost.map(({ what, item, acknowledged = 0 }) => `${what} of ${item}, acknowledged ${at(acknowledged)}`),
    ],
  ] as const;
  return kinds.flatMap(([kind, lines]) => lines.slice(0, EXAMPLES).map((line) => `${kind}: ${line}`));
}
