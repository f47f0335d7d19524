import type { Logger } from "pino";
import type { Config } from "../config/load.js";
import { DirectoryError } from "../directory/errors.js";
import { tell } from "../observability/lines.js";
import { storePlace } from "./store.js";

/** Milliseconds from one attempt to the next. */
const RETRY_AFTER = 1_000;
/** Attempts, about a minute's, from one line in the log to the next for the same cause. */
const REMINDER = 60;

/** What a start that waits needs. */
export interface StartContext {
  readonly log: Logger;
  /** Called before each wait with its cause, for probes. */
  readonly onWait: (why: string) => void;
  /** Gives up when it is aborted. */
  readonly signal: AbortSignal | undefined;
}

/** A start was given up before the store could be reached. */
export class StartEnded extends Error {
  override readonly name = "StartEnded";
}

/**
 * Opens what needs the store, and tries again each second while its database cannot be reached: a service that ended instead
 * would be restarted at ever longer intervals, and be missing when the database is back. A file is tried once.
 *
 * @throws {StartEnded} once `signal` is aborted; whatever else opening throws
 */
export async function openWhenReachable<Opened>(
  config: Pick<Config, "store">,
  open: () => Promise<Opened>,
  { log, onWait, signal }: StartContext,
): Promise<Opened> {
  let [last, attempts] = ["", 0];
  for (;;) {
    try {
      return await open();
    } catch (error) {
      const isAway = error instanceof DirectoryError && error.code === "unavailable";
      if (!isAway || config.store.address.engine !== "postgres") throw error;
      if (error.message !== last || attempts % REMINDER === 0) {
        tell(log, "waiting for the store", { store: storePlace(config), err: error });
      }
      attempts = error.message === last ? attempts + 1 : 1;
      last = error.message;
      onWait(error.message);
    }
    await pause(signal);
    if (signal?.aborted === true) throw new StartEnded("The start was ended before the store could be reached.");
  }
}

/** Waits for the next attempt, or for the end of the start. */
function pause(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, RETRY_AFTER);
    if (signal?.aborted === true) end();
    else signal?.addEventListener("abort", end);
  });
}
