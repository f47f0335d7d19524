import type { Logger } from "pino";
import type { ConnectionRefusal } from "../net/admission.js";
import type { Clock } from "../util/clock.js";
import { tell } from "./lines.js";
import { perSecond } from "./per-second.js";

/** Lines of refused connections that are written in a second; what is above is counted. */
const LINES_PER_SECOND = 10;

/**
 * Logs connections that were refused, so many a second: whoever floods a port must not flood the log. What was left out is
 * told in a line of its own when the next second's first line is written.
 */
export function refusalLogger(log: Logger, clock: Clock): (port: string, refusal: ConnectionRefusal) => void {
  const isAdmitted = perSecond(LINES_PER_SECOND, clock, (omitted) =>
    tell(log, "refused connections not logged", { omitted }),
  );
  return (port, { reason, address, code }) => {
    if (!isAdmitted()) return;
    const where = { port, ...(address !== "" && { address }) };
    if (reason === "handshake") tell(log, "handshake failed", { ...where, code });
    else tell(log, "too many connections", { ...where, reason });
  };
}
