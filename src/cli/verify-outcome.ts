import { isUnreachable } from "../client/channel.js";
import { type ConnectionProblem, describeConnectionProblem } from "../client/connection-problem.js";
import { FAILURES, type FailureReason, failureMessage, type StatusName } from "../contract/failures.js";
import { rejectionMessage } from "../contract/reasons.js";
import type { Check, CheckResult, Evidence, Outcome, Principal, Token, Verdict } from "../contract/verifier.js";
import { printable } from "../util/printable.js";
import { checkResultName } from "../wire/catalogue.js";
import { durationToJson, timeToJson } from "../wire/json.js";
import { type CommandFailure, EXIT } from "./errors.js";
import { alignColumns } from "./output.js";

// How `verify` prints an outcome.

/** Statuses of failures that the operator can fix; any other may pass by itself. */
const USAGE_STATUSES: ReadonlySet<StatusName> = new Set([
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
]);

/**
 * A missing verdict as the command's failure.
 *
 * @param asked the address of the service that was asked; undefined offline
 */
export function noVerdict(outcome: Extract<Outcome, { kind: "failure" }>, asked?: string): CommandFailure {
  const { reason } = outcome;
  const { status } = FAILURES[reason];
  if (asked !== undefined && isUnreachable(outcome)) {
    const { problem, detail } = outcome;
    return {
      code: reason,
      message: describeConnectionProblem(asked, problem, FIXES[problem]),
      exitCode: EXIT.unavailable,
      details: { status, cause: detail },
    };
  }
  const exitCode = USAGE_STATUSES.has(status) ? EXIT.usage : EXIT.unavailable;
  const end = asked !== undefined && exitCode === EXIT.unavailable ? ` (asked ${asked}).` : ".";
  return {
    code: reason,
    message: (MESSAGES[reason] ?? failureMessage(outcome)).replace(/\.$/, end),
    exitCode,
    details: { status },
  };
}

/** Fixes for connection problems in terms of the options; by default they name the settings of the Node.js client. */
const FIXES: Readonly<Partial<Record<ConnectionProblem, string>>> = {
  closed: "If it does, give --tls, or --ca-file FILE with the authority that signed its certificate",
  "closed over TLS": "Give --cert-file and --key-file of a certificate that it accepts",
  "no TLS": "Leave out --tls and its file options, or give the address of a port that speaks TLS",
  "untrusted authority": "Give that authority with --ca-file FILE",
  "certificate name mismatch": "Give --address with a name that is in the certificate",
  "client certificate refused": "Give --cert-file and --key-file of a certificate that it accepts",
};

/** Failure messages in terms of the options; the catalogue's name fields of the contract. */
const MESSAGES: Readonly<Partial<Record<FailureReason, string>>> = {
  CALLER_MISSING:
    "This realm answers only known callers. Give --secret-key-file, or --client-id with --client-secret-file.",
  TOKEN_EMPTY: "The token is empty.",
  EXPLAIN_DENIED:
    "This realm does not explain its verdicts to this caller. Leave out --explain, set `explain` in the realm, or verify offline with --config.",
};

/** A verdict as `--json` prints it: the contract's members, with times and durations in the JSON mapping of proto3. */
export function verdictOutput(verdict: Verdict): unknown {
  const checks = verdict.checks.map(({ name, result, claim, message }) => ({
    name,
    result: result && checkResultName(result),
    ...(claim !== "" && { claim }),
    ...(message !== "" && { message }),
  }));
  const explained = checks.length > 0 ? { checks } : {};
  if (verdict.kind === "rejected") {
    const { reason, claim, signatureVerified } = verdict;
    return {
      rejected: { reason: reason ?? "UNKNOWN", claim, message: rejectionMessage(verdict), signatureVerified },
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

// Named one by one: the members of a token that was verified here are getters, which a spread leaves out.
const tokenToJson = (token: Token): Record<Exclude<keyof Token, "encoded">, unknown> => ({
  subject: token.subject,
  issuer: token.issuer,
  audience: token.audience,
  expiresAt: timeToJson(token.expiresAt),
  notBefore: timeToJson(token.notBefore),
  issuedAt: timeToJson(token.issuedAt),
  id: token.id,
  keyId: token.keyId,
  algorithm: token.algorithm,
  payload: token.payload,
  confirmation: token.confirmation,
});

const evidenceToJson = (evidence: Evidence): unknown => ({
  ...evidence,
  keySetAge: durationToJson(evidence.keySetAge),
  cacheableUntil: timeToJson(evidence.cacheableUntil),
});

/** A verdict as text. @param at the time it is for in milliseconds since 1970, if not now */
export function formatVerdict(verdict: Verdict, at?: number): string {
  const when = at === undefined ? [] : [["at", new Date(at).toISOString()]];
  if (verdict.kind === "rejected") {
    const { reason, claim, checks } = verdict;
    const head = `rejected: ${reason ?? "UNKNOWN"}${claim === "" ? "" : ` (${claim})`}`;
    const why = [rejectionMessage(verdict)];
    return [head, ...why, ...alignColumns(when), ...formatChecks(checks)].join("\n");
  }
  const { token, principal, checks } = verdict;
  const rows = [
    ["algorithm", token.algorithm],
    ...when,
    ...principalRows(principal),
    ["payload", printable(token.payload)],
  ];
  return ["verified", ...alignColumns(rows), ...formatChecks(checks)].join("\n");
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
  return ["", ...alignColumns([["", "check", "claim", "what it found"], ...rows])];
}
