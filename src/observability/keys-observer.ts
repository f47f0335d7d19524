import type { Logger } from "pino";
import type { RemoteObserver } from "../keys/remote/remote-keys.js";
import { isToldFailure } from "./in-a-row.js";
import { tell } from "./lines.js";
import type { FetchObserver } from "./observed.js";

/** How many times, since the last good fetch, another `why` than the one before is told for that alone. */
const MOST_CHANGES = 16;

/** Refused keys of one set that are told one by one. */
const MOST_REFUSED = 10;

/** Tells the log what becomes of a realm's keys from one location. */
export function keysObserver(
  at: { readonly realm: string; readonly location: string },
  log: Logger,
  onFetch: FetchObserver,
): RemoteObserver {
  let last = "";
  let changes = 0;
  return {
    fetched: ({ added, removed, leftOut }, failures, wasOut) => {
      onFetch(at.realm, "ok");
      last = "";
      changes = 0;
      if (wasOut) tell(log, "keys can be fetched again: verdicts are given", { ...at, failures });
      else if (failures > 0) tell(log, "keys can be fetched again", { ...at, failures });
      if (added.length > 0 || removed.length > 0) tell(log, "keys changed", { ...at, added, removed });
      const refused = leftOut.filter((one) => one.refused);
      for (const { index, kid, why } of refused.slice(0, MOST_REFUSED))
        tell(log, "key refused", { ...at, index, kid, why });
      const omitted = refused.length - MOST_REFUSED;
      if (omitted > 0) tell(log, "more keys refused", { ...at, omitted });
    },
    failed: (why, failures, left) => {
      onFetch(at.realm, "failed");
      const hasChanged = why !== last && changes++ < MOST_CHANGES;
      last = why;
      if (hasChanged || isToldFailure(failures)) {
        tell(log, "keys cannot be fetched", { ...at, why, failures, left: Math.floor(left / 1000) });
      }
    },
    out: (why, failures) => tell(log, "keys cannot be fetched: no verdicts are given", { ...at, why, failures }),
  };
}
