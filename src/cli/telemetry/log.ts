import { status } from "@grpc/grpc-js";
import { type DestinationStream, type Logger, pino } from "pino";
import pretty from "pino-pretty";
import type { Config } from "../../config/load.js";
import { FAILURES } from "../../contract/failures.js";
import type { Clock, Failure, Outcome } from "../../contract/verifier.js";
import type { callerFields } from "./caller.js";
import { type FieldsOf, tell } from "./lines.js";
import { perSecond } from "./per-second.js";

/** How the service logs: the configuration's `log`. */
export type LogSettings = Config["log"];

/** The log: one line for each event, JSON or for people's eyes; constant messages, values as fields. */
export function createLogger({ level, format }: LogSettings, destination?: DestinationStream): Logger {
  const stream = destination ?? standardOutput((lines) => tell(log, "log lines lost", { lines }));
  const written =
    format === "pretty" && destination === undefined
      ? pretty({ destination: stream, ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss.l" })
      : stream;
  const formatters = { level: (label: string) => ({ level: label }) };
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters }, written);
  return log;
}

/** What is kept of lines that nobody has read yet, in characters; further ones are lost. */
const MOST_UNREAD = 1024 ** 2;

/** How often the end of the process tries to hand out the last lines, 100 ms apart, where nobody reads them. */
const LAST_TRIES = 10;

/**
 * Standard output for a log. A full disk, a closed pipe or a reader that has stopped loses lines and never the service;
 * standard error says so, once.
 *
 * @param onLost is told how many lines were lost because those before them were not read, once they are read again
 */
function standardOutput(onLost: (lines: number) => void): DestinationStream {
  let triesLeft = Number.POSITIVE_INFINITY;
  // Ahead of pino's own handler, which would wait for the reader without end.
  process.once("exit", () => {
    triesLeft = LAST_TRIES;
    try {
      stream.flushSync();
    } catch {
      stream.destroy();
    }
  });
  // Node makes a pipe one that refuses instead of one that blocks, once it was asked for it.
  const { fd } = process.stdout;
  const stream = pino.destination({ fd, sync: false, maxLength: MOST_UNREAD, retryEAGAIN: () => triesLeft-- > 0 });
  let lost = 0;
  stream.on("drop", () => lost++);
  stream.on("drain", () => {
    const lines = lost;
    lost = 0;
    if (lines > 0) onLost(lines);
  });
  let told = false;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (told) return;
    told = true;
    process.stderr.write(`Log lines are lost: standard output cannot be written (${error.code ?? error.message}).\n`);
  });
  return stream;
}

/** A finished call, as its log line tells it. */
export interface CallLine {
  readonly requestId: string;
  /** The gRPC method, the vendor's face, or `http/` and the method. */
  readonly via: string;
  /** The realm as the caller named it: there may be no such realm; empty where no realm was asked. */
  readonly realm: string;
  /** The caller's address; empty where there is none. Asked for only when a line is written. */
  readonly address: () => string;
  /** Who asked; asked for only when a line is written. */
  readonly caller: () => ReturnType<typeof callerFields>;
  /** What came of it; undefined where the request was answered before the verifier was asked. */
  readonly outcome: Outcome | undefined;
  readonly millis: number;
  /** How many identical requests of a batch it answered. */
  readonly items: number;
  /** The HTTP status, where it came over HTTP. */
  readonly status?: number;
}

/** Lines of rejected and refused calls that are written in a second; what is above is counted. */
const LINES_PER_SECOND = 100;

/**
 * Logs calls as `log.calls` says. Failures of the service itself are logged in any case; they, and together rejected and
 * refused ones and those that wait for a key, are limited per second, and what was left out is told in a line of its own when the next second's first line is written.
 */
export function callLogger(log: Logger, calls: LogSettings["calls"], clock: Clock): (call: CallLine) => void {
  const limit = (): (() => boolean) =>
    perSecond(LINES_PER_SECOND, clock, (omitted) => tell(log, "calls not logged", { omitted }));
  const isAdmitted = limit();
  // Of their own, or a flood of bad tokens would hide what is wrong here.
  const isFaultAdmitted = limit();
  return (call) => {
    const { outcome } = call;
    const kind = kindOf(outcome);
    if (kind !== "fault" && (calls === "none" || (calls === "rejected" && UNREMARKABLE.has(kind)))) return;
    if (LIMITED.has(kind) && !isAdmitted()) return;
    if (kind === "fault" && !isFaultAdmitted()) return;
    tell(log, "call", fieldsOf(call), kind === "fault" ? "warn" : "info");
  };
}

/**
 * `probe`: a gateway asked who is calling, with an empty token, and the caller is good. `waiting`: the token's key is not
 * known yet, as that of any token with a made-up `kid`.
 */
type Kind = "verified" | "probe" | "rejected" | "refused" | "waiting" | "fault";

/** What anybody can bring about as often as they like. */
const LIMITED: ReadonlySet<Kind> = new Set(["rejected", "refused", "waiting"]);

const UNREMARKABLE: ReadonlySet<Kind> = new Set(["verified", "probe"]);

function kindOf(outcome: Outcome | undefined): Kind {
  if (outcome === undefined) return "refused";
  if (outcome.kind !== "failure") return outcome.kind;
  if (outcome.reason === "TOKEN_EMPTY") return "probe";
  if (outcome.cause === "cooldown") return "waiting";
  return SERVER_CODES.has(FAILURES[outcome.reason].code) ? "fault" : "refused";
}

const SERVER_CODES: ReadonlySet<status> = new Set([status.UNAVAILABLE, status.INTERNAL, status.DEADLINE_EXCEEDED]);

function fieldsOf(call: CallLine): FieldsOf<"call"> {
  const { via, outcome, millis, items, status } = call;
  const target = outcome?.target;
  const requestId = withoutTokens(call.requestId);
  const realm = withoutTokens(call.realm.slice(0, 64));
  const address = call.address();
  const answer =
    outcome === undefined
      ? { outcome: "refused" }
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
    ...call.caller(),
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
  const escaped = (one: string): string => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return withoutTokens(text.slice(0, LONGEST).replace(/[^ -~]/g, escaped));
}

/**
 * A caller's text without what looks like a token or part of one: in base64 a JSON object begins so, with white space behind
 * its brace or without. Names that have the same letters within them, or at the beginning of a short word, stay.
 */
function withoutTokens(text: string): string {
  return text.replace(/(?<!\w)e(yJ|yA|wo|wk|w0)[\w.+/=-]{12,}/g, "e$1…");
}
