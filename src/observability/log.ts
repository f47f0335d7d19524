import type { Logger } from "pino";
import type { CallObserver, FinishedCall } from "../contract/call.js";
import type { Failure } from "../contract/verifier.js";
import type { Clock } from "../util/clock.js";
import { printableAscii } from "../util/printable.js";
import { callerFields, type InstanceOf } from "./caller.js";
import { type FieldsOf, tell } from "./lines.js";
import type { LogSettings } from "./log-output.js";
import { isFault, kindOf, type OutcomeKind } from "./outcome-kind.js";
import { perSecond } from "./per-second.js";

/** Logs a call that has ended; looks up the caller's instance only for a line that is written. */
export type CallLogger = (finished: FinishedCall, instanceOf: InstanceOf) => void;

/** Most lines of rejected and refused calls in a second; those above are counted. */
const LINES_PER_SECOND = 100;

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
    const fault = isFault(outcome);
    if (!fault && (calls === "none" || (calls === "rejected" && UNREMARKABLE.has(kind)))) return;
    if (fault ? !isFaultAdmitted() : LIMITED.has(kind) && !isAdmitted()) return;
    tell(log, "call", fieldsOf(finished, instanceOf), fault ? "warn" : "info");
  };
}

/** Observes calls of a service: hands over each that has ended, and logs faults. @param ended such as {@link callLogger} */
export function callObserver(log: Logger, ended: CallLogger, instanceOf: InstanceOf): CallObserver {
  return {
    ended: (finished) => ended(finished, instanceOf),
    fault: ({ via, requestId }, err) => tell(log, "unexpected fault", { err, via, requestId }),
  };
}

/** The outcomes that any client can cause as often as it likes. */
const LIMITED: ReadonlySet<OutcomeKind> = new Set(["rejected", "refused", "waiting", "failed"]);

const UNREMARKABLE: ReadonlySet<OutcomeKind> = new Set(["verified", "probe", "preflight"]);

function fieldsOf(finished: FinishedCall, instanceOf: InstanceOf): FieldsOf<"call"> {
  const { call, outcome, caller, millis, items, status } = finished;
  const { via, address } = call;
  const target = typeof outcome === "object" ? outcome.target : undefined;
  const requestId = withoutTokens(call.requestId);
  const realm = withoutTokens(finished.realm.slice(0, 64));
  const answer =
    typeof outcome !== "object"
      ? { outcome: kindOf(outcome) }
      : outcome.kind === "verified"
        ? { outcome: "verified", ...(outcome.token.keyId !== "" && { kid: outcome.token.keyId }) }
        : outcome.kind === "rejected"
          ? {
              outcome: "rejected",
              reason: outcome.reason ?? "UNKNOWN",
              ...(outcome.claim !== "" && { claim: outcome.claim }),
              ...(outcome.kid !== undefined && { kid: foreignText(outcome.kid) }),
            }
          : { outcome: "failed", reason: outcome.reason, ...whyFailed(outcome) };
  return {
    requestId,
    via,
    ...(realm !== "" && { realm }),
    ...(target !== undefined && { target }),
    ...(address !== "" && { address }),
    ...callerFields(caller, instanceOf),
    ...answer,
    ...(items > 1 && { items }),
    ...(status !== undefined && { status }),
    millis: Math.round(millis * 1000) / 1000,
  };
}

/** Why there was no verdict for want of keys, and for the token of which `kid`: fixed words, of which no caller hears. */
function whyFailed({ reason, cause, kid }: Failure): Pick<FieldsOf<"call">, "why" | "kid"> {
  return {
    ...(reason === "KEYS_UNAVAILABLE" && { why: cause === "cooldown" ? COOLDOWN : UNFETCHED }),
    ...(kid !== undefined && { kid: foreignText(kid) }),
  };
}

const COOLDOWN = "the keys are fresh and none fits; the issuer is asked again after the cooldown";
const UNFETCHED = "keys cannot be fetched";

/** The most that is told of a text that a caller made up, in characters. */
const LONGEST = 128;

/** A text that a caller made up, as a log may hold it: cut, and what is not printable ASCII escaped. */
function foreignText(text: string): string {
  return withoutTokens(printableAscii(text.slice(0, LONGEST)));
}

/**
 * A caller's text without what looks like a token or part of one: in base64 a JSON object begins so, with white space behind
 * its brace or without. Names that have the same letters within them, or at the beginning of a short word, stay.
 */
function withoutTokens(text: string): string {
  return text.replace(/(?<!\w)e(yJ|yA|wo|wk|w0)[\w.+/=-]{12,}/g, "e$1…");
}
