import type { Logger } from "pino";
import type { CallObserver, FinishedCall } from "../contract/call.js";
import type { InstanceOf } from "./caller.js";
import { tell } from "./lines.js";

/** Logs and counts calls, whatever they came by. @param ended takes each call that has ended, and finds the caller's instance for its line */
export function callObserver(
  log: Logger,
  ended: (finished: FinishedCall, instanceOf: InstanceOf) => void,
  instanceOf: InstanceOf,
): CallObserver {
  return {
    ended: (finished) => ended(finished, instanceOf),
    fault: ({ via, requestId }, err) => tell(log, "unexpected fault", { err, via, requestId }),
  };
}
