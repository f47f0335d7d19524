import type { Logger } from "pino";
import { DirectoryError } from "../directory/errors.js";
import { type Follower, startFollower } from "../directory/follower.js";
import type { Known } from "../directory/known.js";
import { tell } from "../observability/lines.js";
import type { Clock } from "../util/clock.js";

/** A directory that is followed. */
export interface Following extends Follower {
  /** Why the last attempt to read it failed, for operators; undefined where it did not. */
  readonly trouble: () => string | undefined;
}

/** What following tells, and to whom. */
interface FollowContext {
  readonly clock: Clock;
  readonly log: Logger;
  /** Is told of each time that the directory could not be read. */
  readonly onDirectoryFailure: () => void;
}

/** Follows the feed of a directory, and has the log say how that goes. */
export function followStore(
  known: Pick<Known, "follow" | "isFresh">,
  { clock, log, onDirectoryFailure }: FollowContext,
): Following {
  let trouble: string | undefined;
  // When the last verdict was given is told at once; that it goes on, about every minute.
  let isTold = false;
  const follower = startFollower({
    follow: () =>
      known.follow().then(
        () => {
          isTold = false;
          trouble = undefined;
        },
        (err: unknown) => {
          onDirectoryFailure();
          // The message of any other error is not written for operators.
          trouble = err instanceof DirectoryError ? err.message : "an unexpected fault: see the log";
          if (!isTold && !known.isFresh(clock())) {
            isTold = true;
            tell(log, "directory cannot be read: no verdicts are given", { err });
          }
          throw err;
        },
      ),
    onFailure: (err) => {
      if (known.isFresh(clock())) tell(log, "directory cannot be read", { err });
      else if (isTold) tell(log, "directory cannot be read: no verdicts are given", { err });
    },
    onRecovery: (failures) => tell(log, "directory can be read again", { failures }),
  });
  return { trouble: () => trouble, stop: () => follower.stop() };
}
