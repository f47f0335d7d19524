import { isUnreached } from "../../client/channel.js";
import { type Trouble, tellTrouble } from "../../client/trouble.js";
import { FAILURES, type FailureReason, type StatusName } from "../../contract/failures.js";
import { rejectionMessage } from "../../contract/reasons.js";
import type { Check, CheckResult, Evidence, Outcome, Principal, Token, Verdict } from "../../contract/verifier.js";
import { checkResultName } from "../../wire/catalogue.js";
import { durationToJson, timeToJson } from "../../wire/json.js";
import { EXIT, type Failure } from "../errors.js";
import { aligned } from "../text-table.js";

// What `verify` says of an outcome.

/**
 * That no verdict could be reached, as a command's failure: the caller's fault, or the service's.
 *
 * @param asked the address of the service that was asked; left out where none was
 */
export function noVerdict(outcome: Extract<Outcome, { kind: "failure" }>, asked?: string): Failure {
  const { reason } = outcome;
  const { status, message } = FAILURES[reason];
  if (asked !== undefined && isUnreached(outcome)) {
    const { trouble, unreached } = outcome;
    return {
      code: reason,
      message: tellTrouble(asked, trouble, CURES[trouble]),
      exitCode: EXIT.unavailable,
      details: { status, cause: unreached },
    };
  }
  const exitCode = CALLERS_FAULT.has(status) ? EXIT.usage : EXIT.unavailable;
  const where = asked !== undefined && exitCode === EXIT.unavailable ? ` (${asked} was asked).` : ".";
  const told = (OPTIONS[reason] ?? message).replace(/\.$/, where);
  return { code: reason, message: told, exitCode, details: { status } };
}

const CALLERS_FAULT: ReadonlySet<StatusName> = new Set([
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
]);

/** What a program's client says by the names of its settings, said by those of the options. */
const CURES: Readonly<Partial<Record<Trouble, string>>> = {
  closed: "Where it does, give --tls, or --ca-file FILE with the authority that signed its certificate",
  "closed over tls": "Give --cert-file and --key-file of one that it knows",
  "no tls there": "Leave out --tls and the options of its files, or give the address of a port that does",
  "authority unknown": "Give the right one with --ca-file FILE",
  "certificate of another name": "Give --address by a name that it has",
  "own certificate refused": "Give --cert-file and --key-file of one that it knows",
};

/** What the catalogue says by the names of the contract's fields, said by those of the options. */
const OPTIONS: Readonly<Partial<Record<FailureReason, string>>> = {
  CALLER_MISSING:
    "This realm answers only known callers. Give --secret-key-file, or --client-id with --client-secret-file.",
  TOKEN_EMPTY: "The token is empty.",
  EXPLAIN_DENIED:
    "This realm does not explain its verdicts to this caller. Leave out --explain, set `explain` in the realm, or verify offline with --config.",
};

/** A verdict as `--json` prints it: the contract's members, with times and durations as the JSON mapping of proto3 has them. */
export function verdictToJson(verdict: Verdict): unknown {
  const checks = verdict.checks.map(({ name, result, claim, message }) => ({
    name,
    result: result && checkResultName(result),
    ...(claim !== "" && { claim }),
    ...(message !== "" && { message }),
  }));
  const explained = checks.length > 0 ? { checks } : {};
  if (verdict.kind === "rejected") {
    const { reason, claim } = verdict;
    return {
      rejected: { reason: reason ?? "UNKNOWN", claim, message: rejectionMessage(verdict) },
      ...explained,
    };
  }
  const { token, principal, evidence } = verdict;
  const verified = {
    token: tokenToJson(token),
    ...(principal !== undefined && { principal }),
    evidence: evidenceToJson(evidence),
  };
  return { verified, ...explained };
}

const tokenToJson = (token: Token): unknown => ({
  ...token,
  expiresAt: timeToJson(token.expiresAt),
  notBefore: timeToJson(token.notBefore),
  issuedAt: timeToJson(token.issuedAt),
});

const evidenceToJson = (evidence: Evidence): unknown => ({
  ...evidence,
  keySetAge: durationToJson(evidence.keySetAge),
  cacheableUntil: timeToJson(evidence.cacheableUntil),
});

/** A verdict for people's eyes. @param at milliseconds since 1970 that it holds for, where that is not now */
export function formatVerdict(verdict: Verdict, at?: number): string {
  const when = at === undefined ? [] : [["at", new Date(at).toISOString()]];
  if (verdict.kind === "rejected") {
    const { reason, claim, checks } = verdict;
    const head = `rejected: ${reason ?? "UNKNOWN"}${claim === "" ? "" : ` (${claim})`}`;
    const why = [rejectionMessage(verdict)];
    return [head, ...why, ...aligned(when), ...formatChecks(checks)].join("\n");
  }
  const { token, principal, checks } = verdict;
  const facts = [
    ["algorithm", token.algorithm],
    ...when,
    ...principalRows(principal),
    // What somebody signed may hold anything but what a terminal takes for a command.
    ["payload", printable(token.payload)],
  ];
  return ["verified", ...aligned(facts), ...formatChecks(checks)].join("\n");
}

function principalRows(principal: Principal | undefined): string[][] {
  const { user, client } = principal ?? {};
  return [
    ...(user === undefined ? [] : [["user", `${user.id}${user.email === undefined ? "" : ` <${user.email}>`}`]]),
    ...(client === undefined ? [] : [["client", client.clientId]]),
  ].map((row) => row.map(printable));
}

const MARKS: Readonly<Record<CheckResult, string>> = { passed: "pass", failed: "FAIL", skipped: "skip" };

function formatChecks(checks: readonly Check[]): string[] {
  if (checks.length === 0) return [];
  const rows = checks.map(({ name, result, claim, message }) => [
    result === undefined ? "?" : MARKS[result],
    name,
    claim || "-",
    printable(message),
  ]);
  return ["", ...aligned([["", "check", "claim", "what it found"], ...rows])];
}

/** A text in one line, its control characters escaped as JSON does. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
