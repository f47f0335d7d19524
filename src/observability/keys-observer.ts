import type { Logger } from "pino";
import { isFaulty, type LeftOut } from "../keys/left-out.js";
import type { RemoteObserver } from "../keys/remote/status.js";
import { truncate } from "../util/printable.js";
import { tell } from "./lines.js";
import { isLoggedFailure } from "./logger.js";
import type { FetchObserver } from "./observed.js";

/** Most failures logged only because their cause changed, since the last good fetch. */
const MAX_CHANGES = 16;

/** Most unused keys of one set with a line each. */
const MAX_REFUSED = 10;

/** Keys at fault are a warning; those set aside are for something else. */
const levelOf = (left: readonly LeftOut[]): "warn" | "info" => (left.some(isFaulty) ? "warn" : "info");

/** Logs the fetches of a realm's keys from one location. */
export function keysObserver(
  at: { readonly realm: string; readonly location: string },
  log: Logger,
  onFetch: FetchObserver,
): RemoteObserver {
  let last = "";
  let changes = 0;
  let known: readonly string[] = [];
  return {
    fetched: ({ added, removed, leftOut, ignoringIssuer = [] }, failures, wasOut, expired = []) => {
      onFetch(at.realm, "ok");
      last = "";
      changes = 0;
      if (wasOut) tell(log, "keys can be fetched again: verdicts are given", { ...at, failures });
      else if (failures > 0) tell(log, "keys can be fetched again", { ...at, failures });
      if (added.length > 0 || removed.length > 0) tell(log, "keys changed", { ...at, added, removed });
      if (ignoringIssuer.length > 0) tell(log, "issuers of keys ignored", { ...at, added: ignoringIssuer });
      const late = expired.filter((name) => !known.includes(name));
      if (late.length > 0) tell(log, "certificates of keys expired", { ...at, kids: late });
      known = expired;
      const refused = [...leftOut.filter(isFaulty), ...leftOut.filter((one) => !isFaulty(one))];
      for (const one of refused.slice(0, MAX_REFUSED)) {
        const { index, kid, cause, why } = one;
        tell(log, "key refused", { ...at, index, kid: kid && truncate(kid, 64), cause, why }, levelOf([one]));
      }
      const rest = refused.slice(MAX_REFUSED);
      if (rest.length > 0) tell(log, "more keys refused", { ...at, omitted: rest.length }, levelOf(rest));
    },
    failed: (why, failures, left) => {
      onFetch(at.realm, "failed");
      const hasChanged = why !== last && changes++ < MAX_CHANGES;
      last = why;
      if (hasChanged || isLoggedFailure(failures)) {
        tell(log, "keys cannot be fetched", { ...at, why, failures, left: Math.floor(left / 1000) });
      }
    },
    out: (why, failures) => tell(log, "keys cannot be fetched: no verdicts are given", { ...at, why, failures }),
  };
}
