import type { EventEmitter } from "node:events";
import type { Logger } from "pino";
import type { Clock } from "../util/clock.js";
import { tell } from "./lines.js";
import { perSecond } from "./per-second.js";

/** Warnings that are written in a second; what is above is counted. */
const LINES_PER_SECOND = 10;

type Listener = (warning: Error) => void;

/**
 * Writes what Node and libraries warn of (deprecations, too many listeners) to the service's log, in the place of standard
 * error. Until the log is open they wait for it; where the service does not start, they go where they went before. Where
 * Node was told to keep silent (`--no-warnings`), nothing is written.
 *
 * @param source the process
 */
export function logWarnings(source: EventEmitter, log: Promise<Logger>, clock: Clock): void {
  const standard = source.listeners("warning") as Listener[];
  if (standard.length === 0) return;
  const toLog = log.then((open) => warningLogger(open, clock));
  const note: Listener = (warning) =>
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

function warningLogger(log: Logger, clock: Clock): Listener {
  const isAdmitted = perSecond(LINES_PER_SECOND, clock, (omitted) =>
    tell(log, "process warnings not logged", { omitted }),
  );
  return ({ name, message, stack = "", ...more }) => {
    if (!isAdmitted()) return;
    // Nothing else of it: a warning may hold the very object that it is about, with all that is in that.
    const { code } = more as { readonly code?: unknown };
    tell(log, "process warning", { name, why: message, stack, ...(typeof code === "string" && { code }) });
  };
}
