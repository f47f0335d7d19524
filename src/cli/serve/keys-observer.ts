import type { Logger } from "pino";
import type { RemoteObserver } from "../../keys/network/remote-keys.js";
import { tell } from "../telemetry/lines.js";

/** Is told of each fetch of keys. */
export type OnFetch = (realm: string, result: "ok" | "failed") => void;

/** How many times, since the last good fetch, another `why` than the one before is told for that alone. */
const MOST_CHANGES = 16;

/** Failures in a row that are told whatever their `why`: the first, and then fewer and fewer. */
const isMarked = (failures: number): boolean => Number.isInteger(Math.log2(failures));

/** Tells the log what becomes of a realm's keys from one location. */
export function keysObserver(
  at: { readonly realm: string; readonly location: string },
  log: Logger,
  onFetch: OnFetch,
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
      for (const { index, kid, why, refused } of leftOut) {
        if (refused) tell(log, "key refused", { ...at, index, kid, why });
      }
    },
    failed: (why, failures, left) => {
      onFetch(at.realm, "failed");
      const hasChanged = why !== last && changes++ < MOST_CHANGES;
      last = why;
      if (hasChanged || isMarked(failures)) {
        tell(log, "keys cannot be fetched", { ...at, why, failures, left: Math.floor(left / 1000) });
      }
    },
    out: (why, failures) => tell(log, "keys cannot be fetched: no verdicts are given", { ...at, why, failures }),
  };
}
