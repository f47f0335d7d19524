import type { EventEmitter } from "node:events";
import { type DestinationStream, type Logger, pino } from "pino";
import pretty from "pino-pretty";
import type { Config } from "../config/load.js";
import type { ConnectionRefusal } from "../net/admission.js";
import type { Clock } from "../util/clock.js";
import { tell } from "./lines.js";

// The log: where its lines go, and how many lines of a kind are written.

/** The configuration's `log`. */
export type LogSettings = Config["log"];

/**
 * Opens the log: one line for each event, with a constant message and its values as fields.
 *
 * @param destination default: standard output, in the configured format; any other destination gets JSON
 */
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

/** Characters of unread lines that are kept; further lines are lost. */
const MAX_UNREAD = 1024 ** 2;

/** Attempts to write the last lines at the end of the process, 100 ms apart. */
const LAST_ATTEMPTS = 10;

/**
 * Standard output for a log. A full disk, a closed pipe or a slow reader loses lines but never stops the service; standard
 * error says so once.
 *
 * @param onLost called with the number of lines that were lost to a slow reader, once it reads again
 */
function standardOutput(onLost: (lines: number) => void): DestinationStream {
  let attemptsLeft = Number.POSITIVE_INFINITY;
  // Registered before pino's own handler, which would wait for the reader without end.
  process.once("exit", () => {
    attemptsLeft = LAST_ATTEMPTS;
    try {
      stream.flushSync();
    } catch {
      stream.destroy();
    }
  });
  // Reading process.stdout makes Node.js switch a pipe to non-blocking writes.
  const { fd } = process.stdout;
  const stream = pino.destination({ fd, sync: false, maxLength: MAX_UNREAD, retryEAGAIN: () => attemptsLeft-- > 0 });
  let lost = 0;
  stream.on("drop", () => lost++);
  stream.on("drain", () => {
    const lines = lost;
    lost = 0;
    if (lines > 0) onLost(lines);
  });
  let reported = false;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (reported) return;
    reported = true;
    process.stderr.write(`Log lines are lost: standard output cannot be written (${error.code ?? error.message}).\n`);
  });
  return stream;
}

/** Whether to log a consecutive failure: the 1st, 2nd, 4th, 8th… @param failures counted from 1 */
export const isLoggedFailure = (failures: number): boolean => Number.isInteger(Math.log2(failures));

/**
 * Limits events per second, so that a flood of them does not flood the log.
 *
 * @param onOmitted called with the number of events over the limit, at the first event of a later second
 * @returns a function to call at each event: whether it is within the limit
 */
export function perSecond(limit: number, clock: Clock, onOmitted: (omitted: number) => void): () => boolean {
  let second = 0;
  let admitted = 0;
  let omitted = 0;
  return () => {
    const now = Math.floor(clock() / 1000);
    if (now !== second) {
      if (omitted > 0) onOmitted(omitted);
      second = now;
      admitted = 0;
      omitted = 0;
    }
    if (++admitted <= limit) return true;
    omitted++;
    return false;
  };
}

/** Most lines per second about refused connections, and about process warnings; the rest are counted. */
const LINES_PER_SECOND = 10;

/** Logs connections that are refused or cut, at most 10 per second. */
export function refusalLogger(log: Logger, clock: Clock): (port: string, refusal: ConnectionRefusal) => void {
  const isAdmitted = perSecond(LINES_PER_SECOND, clock, (omitted) =>
    tell(log, "refused connections not logged", { omitted }),
  );
  return (port, { reason, address, code }) => {
    if (!isAdmitted()) return;
    const where = { port, ...(address !== "" && { address }) };
    if (reason === "handshake") tell(log, "handshake failed", { ...where, code });
    else if (reason === "connections" || reason === "address") tell(log, "too many connections", { ...where, reason });
    else tell(log, "connection cut", { ...where, reason });
  };
}

type WarningListener = (warning: Error) => void;

/**
 * Sends the warnings of Node.js and libraries (deprecations, too many listeners) to the log instead of standard error, at
 * most 10 per second. Warnings wait until the log is open; if the service does not start, they go to standard error.
 * Does nothing under `--no-warnings`.
 *
 * @param source the process
 */
export function logWarnings(source: EventEmitter, log: Promise<Logger>, clock: Clock): void {
  const standard = source.listeners("warning") as WarningListener[];
  if (standard.length === 0) return;
  const toLog = log.then((open) => warningLogger(open, clock));
  const note: WarningListener = (warning) =>
    void toLog.then(
      (write) => write(warning),
      () => {
        for (const listener of standard) listener(warning);
      },
    );
  for (const listener of standard) source.off("warning", listener);
  source.on("warning", note);
  toLog.catch(() => {
    source.off("warning", note);
    for (const listener of standard) source.on("warning", listener);
  });
}

function warningLogger(log: Logger, clock: Clock): WarningListener {
  const isAdmitted = perSecond(LINES_PER_SECOND, clock, (omitted) =>
    tell(log, "process warnings not logged", { omitted }),
  );
  return ({ name, message, stack = "", ...more }) => {
    if (!isAdmitted()) return;
    // Other properties may hold the object that the warning is about, with secrets in it.
    const { code } = more as { readonly code?: unknown };
    tell(log, "process warning", { name, why: message, stack, ...(typeof code === "string" && { code }) });
  };
}
