import type { Logger } from "pino";
import { isUnreachable } from "../client/channel.js";
import { connectionCause } from "../client/connection-problem.js";
import type { CallObserver, CallOutcome, FinishedCall, KnownCaller } from "../contract/call.js";
import { FAILURES, type StatusName } from "../contract/failures.js";
import type { Failure } from "../contract/verifier.js";
import type { Clock } from "../util/clock.js";
import { printableAscii } from "../util/printable.js";
import type { Secret } from "../util/secret.js";
import { type FieldsOf, tell } from "./lines.js";
import { type LogSettings, perSecond } from "./logger.js";

/**
 * The kind of a call's outcome, for metrics and the log.
 *
 * `refused`: answered without asking the verifier. `probe`: a gateway asked with an empty token who is calling, and the
 * caller is good. `waiting`: the token's key is not known yet, which any made-up `kid` causes. `preflight`: a browser's
 * CORS preflight.
 */
type OutcomeKind = "verified" | "rejected" | "failed" | "refused" | "probe" | "waiting" | "preflight";

/** The kind of an outcome. */
export function kindOf(outcome: CallOutcome): OutcomeKind {
  if (outcome === undefined) return "refused";
  if (outcome === "preflight") return outcome;
  if (outcome.kind !== "failure") return outcome.kind;
  if (outcome.reason === "TOKEN_EMPTY") return "probe";
  return outcome.cause === "cooldown" ? "waiting" : "failed";
}

const SERVER_FAULTS: ReadonlySet<StatusName> = new Set(["UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED"]);

/** Whether the service, not the caller, is the reason that there is no verdict. */
function isFault(outcome: CallOutcome): boolean {
  if (typeof outcome !== "object" || outcome.kind !== "failure") return false;
  return kindOf(outcome) === "failed" && SERVER_FAULTS.has(FAILURES[outcome.reason].status);
}

/** Finds the id of the instance that owns a secret key; undefined if it is not in memory. */
export type InstanceOf = (secretKey: Secret) => string | undefined;

/** Logs a call that has ended; looks up the caller's instance only for a line that is written. */
export type CallLogger = (finished: FinishedCall, instanceOf: InstanceOf) => void;

/** Most lines per second about rejected and refused calls; the rest are counted. */
const LINES_PER_SECOND = 100;

/** Outcomes that any client can cause at any rate. */
const LIMITED: ReadonlySet<OutcomeKind> = new Set(["rejected", "refused", "waiting", "failed"]);

const UNREMARKABLE: ReadonlySet<OutcomeKind> = new Set(["verified", "probe", "preflight"]);

/**
 * Logs calls as `log.calls` says, and failures of the service itself in any case. These have one limit of lines per
 * second, and calls that any client can cause have another; with the next second's first line, one more line counts
 * those left out.
 */
export function callLogger(log: Logger, calls: LogSettings["calls"], clock: Clock): CallLogger {
  const limit = (): (() => boolean) =>
    perSecond(LINES_PER_SECOND, clock, (omitted) => tell(log, "calls not logged", { omitted }));
  const isAdmitted = limit();
  // A limit of its own: a flood of bad tokens must not hide the service's failures.
  const isFaultAdmitted = limit();
  return (finished, instanceOf) => {
    const { outcome } = finished;
    const kind = kindOf(outcome);
    // First of all, since most calls get no line.
    if (calls !== "all" && UNREMARKABLE.has(kind)) return;
    const fault = isFault(outcome);
    if (!fault && calls === "none") return;
    const level = fault ? "warn" : "info";
    if (!log.isLevelEnabled(level)) return;
    if (fault ? !isFaultAdmitted() : LIMITED.has(kind) && !isAdmitted()) return;
    tell(log, "call", fieldsOf(finished, instanceOf), level);
  };
}

/** Observes calls of a service: hands over each that has ended, and logs faults. @param ended such as {@link callLogger} */
export function callObserver(log: Logger, ended: CallLogger, instanceOf: InstanceOf): CallObserver {
  return {
    ended: (finished) => ended(finished, instanceOf),
    fault: ({ via, requestId }, err) => tell(log, "unexpected fault", { err, via, requestId }),
  };
}

/** Most characters of a realm's name from a call. */
const REALM_LENGTH = 64;

function fieldsOf(finished: FinishedCall, instanceOf: InstanceOf): FieldsOf<"call"> {
  const { call, outcome, caller, millis, items, status } = finished;
  const { via, address } = call;
  const target = typeof outcome === "object" ? outcome.target : undefined;
  const realm = redactTokens(finished.realm.slice(0, REALM_LENGTH));
  return {
    requestId: redactTokens(call.requestId),
    via,
    ...(realm !== "" && { realm }),
    ...(target !== undefined && { target }),
    ...(address !== "" && { address }),
    ...callerFields(caller, instanceOf),
    ...outcomeFields(outcome),
    ...(items > 1 && { items }),
    ...(status !== undefined && { status }),
    millis: Math.round(millis * 1000) / 1000,
  };
}

type OutcomeFields = Pick<FieldsOf<"call">, "outcome" | "reason" | "claim" | "kid" | "why" | "signed" | "cause">;

function outcomeFields(outcome: CallOutcome): OutcomeFields {
  if (typeof outcome !== "object") return { outcome: kindOf(outcome) };
  if (outcome.kind === "failure") return { outcome: "failed", reason: outcome.reason, ...failureFields(outcome) };
  if (outcome.kind === "verified") {
    return { outcome: "verified", ...(outcome.token.keyId !== "" && { kid: outcome.token.keyId }) };
  }
  const { reason = "UNKNOWN", claim, kid, signatureVerified: signed } = outcome;
  return {
    outcome: "rejected",
    reason,
    signed,
    ...(claim !== "" && { claim }),
    ...(kid !== undefined && { kid: unverifiedText(kid) }),
  };
}

const COOLDOWN = "the keys are fresh and none fits; the issuer is asked again after the cooldown";
const UNFETCHED = "keys cannot be fetched";

function failureFields(failure: Failure): Pick<OutcomeFields, "why" | "kid" | "cause"> {
  const { reason, cause, kid } = failure;
  return {
    ...(reason === "KEYS_UNAVAILABLE" && { why: cause === "cooldown" ? COOLDOWN : UNFETCHED }),
    ...(reason === "KEY_REFUSED" && cause !== undefined && { cause }),
    ...(isUnreachable(failure) && { why: `no connection to the upstream: ${connectionCause(failure.problem)}` }),
    ...(kid !== undefined && { kid: unverifiedText(kid) }),
  };
}

/** Most characters of a caller's name; the directory admits no longer id. */
const NAME_LENGTH = 255;
/** Most names of a client certificate in a line. */
const MAX_NAMES = 4;

const truncate = (text: string): string => text.slice(0, NAME_LENGTH);

/**
 * The caller's fields of a line. Leaves out the id of a credential that was not good: someone who mixes up id and secret
 * sends the secret in place of the id.
 */
export function callerFields(
  caller: KnownCaller | undefined,
  instanceOf: InstanceOf,
): Pick<FieldsOf<"call">, "client" | "instance" | "workload"> {
  const { credential, workload = [] } = caller ?? {};
  const instance = credential?.kind === "instance" ? instanceOf(credential.secretKey) : undefined;
  return {
    ...(credential?.kind === "client" && { client: truncate(credential.clientId) }),
    ...(instance !== undefined && { instance: truncate(instance) }),
    ...(workload.length > 0 && { workload: workload.slice(0, MAX_NAMES).map(truncate) }),
  };
}

/** Most characters of a `kid` from a token that did not verify. */
const KID_LENGTH = 128;

/** Text from an unverified token, truncated to 128 characters, with anything but printable ASCII escaped. */
function unverifiedText(text: string): string {
  return redactTokens(printableAscii(text.slice(0, KID_LENGTH)));
}

/**
 * Replaces what looks like a token or part of one: text that starts like a JSON object in base64, with or without white
 * space after its brace. Leaves names with these letters in the middle, and short words.
 */
function redactTokens(text: string): string {
  return text.replace(/(?<!\w)e(yJ|yA|wo|wk|w0)[\w.+/=-]{12,}/g, "e$1…");
}
