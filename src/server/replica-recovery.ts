import type { Logger } from "pino";
import type { RecentRevocations } from "../directory/recent-revocations.js";
import { restoreRevocations } from "../directory/sql/recovery.js";
import type { SqlStore } from "../directory/sql/store.js";
import { tell } from "../observability/lines.js";

/** The longest random wait before the first attempt, in milliseconds: all replicas find the loss at once. */
const SPREAD = 500;
/** Milliseconds from one failed attempt to the next. */
const RETRY_AFTER = 1_000;

/** Gives a store that went back in time the revocations that this replica remembers. */
export interface Recovery {
  /** Revocations that were restored since the start. */
  readonly restored: number;
  /** Begins, unless it is under way; then it begins once more after that. */
  begin(): void;
  /** Gives up. Resolves once an attempt in progress has ended. */
  stop(): Promise<void>;
}

/** Makes the recovery of a store. @param onRestored called once the store has everything */
export function recoveryOf(
  store: SqlStore,
  recent: Pick<RecentRevocations, "list">,
  log: Logger,
  onRestored: () => void,
): Recovery {
  let restored = 0;
  let isWanted = false;
  let isLogged = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  async function attempt(): Promise<void> {
    isWanted = false;
    try {
      const made = await restoreRevocations(store, recent.list());
      restored += made;
      isLogged = false;
      tell(log, "store went back in time", { restored: made });
      if (!isWanted) onRestored();
    } catch (err) {
      if (!isLogged) tell(log, "revocations cannot be restored", { err });
      isLogged = true;
      isWanted = true;
    }
  }

  function schedule(wait: number): void {
    if (isStopped) return;
    timer = setTimeout(() => {
      running = attempt().then(() => {
        running = undefined;
        if (isWanted) schedule(RETRY_AFTER);
      });
    }, wait).unref();
  }

  return {
    get restored() {
      return restored;
    },
    begin() {
      if (isWanted) return;
      isWanted = true;
      if (running === undefined) schedule(Math.random() * SPREAD);
    },
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
