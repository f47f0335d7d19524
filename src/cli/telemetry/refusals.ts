import type { Logger } from "pino";
import type { Refusal } from "../../contract/admission.js";
import type { Clock } from "../../contract/verifier.js";
import { tell } from "./lines.js";

/** Lines of refused connections that are written in a second; what is above is counted. */
const LINES_PER_SECOND = 10;

/**
 * Logs connections that were refused, so many a second: whoever floods a port must not flood the log. What was left out is
 * told in a line of its own when the next second's first line is written.
 */
export function refusalLogger(log: Logger, clock: Clock): (port: string, refusal: Refusal) => void {
  let second = 0;
  let written = 0;
  let omitted = 0;
  return (port, { reason, address, code }) => {
    const now = Math.floor(clock() / 1000);
    if (now !== second) {
      if (omitted > 0) tell(log, "refused connections not logged", { omitted });
      second = now;
      written = 0;
      omitted = 0;
    }
    if (++written > LINES_PER_SECOND) {
      omitted++;
      return;
    }
    tell(log, "connection refused", {
      port,
      reason,
      ...(address !== "" && { address }),
      ...(code !== "" && { code }),
    });
  };
}
