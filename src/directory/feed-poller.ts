/** What a follower needs. */
export interface FollowerOptions {
  /** One step; called again and again, never twice at a time. */
  readonly follow: () => Promise<void>;
  /** Milliseconds from the end of one step to the start of the next. Default 50. */
  readonly interval?: number;
  /** Told of the first failure in a row, and of one about every minute that it lasts. */
  readonly onFailure: (error: unknown) => void;
  /** Told of the first success after failures. @param failures how many there were */
  readonly onRecovery: (failures: number) => void;
}

/** A loop that runs until it is stopped. */
export interface Follower {
  /** Ends the loop. Resolves when a step that is under way has ended: what it reads from may be closed then. */
  stop(): Promise<void>;
}

/** Milliseconds, about, from one word of a lasting failure to the next. */
const REMINDER = 60_000;

/** Starts to follow the feed, at once and then at an interval. Its timer keeps no process alive. */
export function startFollower({ follow, interval = 50, onFailure, onRecovery }: FollowerOptions): Follower {
  let failures = 0;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function step(): Promise<void> {
    try {
      await follow();
      if (failures > 0) onRecovery(failures);
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures % Math.ceil(REMINDER / interval) === 1) onFailure(error);
    }
    if (stopped) return;
    timer = setTimeout(() => {
      underWay = step();
    }, interval).unref();
  }

  let underWay = step();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      return underWay;
    },
  };
}
