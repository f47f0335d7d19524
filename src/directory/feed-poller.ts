/** What a {@link FeedPoller} needs. */
export interface FeedPollerOptions {
  /** Reads the feed once; called again and again, never twice at a time. */
  readonly follow: () => Promise<void>;
  /** Milliseconds from the end of one reading to the start of the next. */
  readonly interval: () => number;
  /** Called for the first consecutive failure, and then about once a minute. */
  readonly onFailure: (error: unknown) => void;
  /** Called for the first success after failures. @param failures how many there were */
  readonly onRecovery: (failures: number) => void;
}

/** A running poll of the feed. */
export interface FeedPoller {
  /** Reads at once, or once more if a reading is under way: a commit was notified. */
  wake(): void;
  /** Stops polling. Resolves once a reading in progress has ended, after which the store may be closed. */
  stop(): Promise<void>;
}

/** Milliseconds, about, between reports of a lasting failure. */
const REMINDER = 60_000;

/** Polls the feed, at once and then at an interval. Its timer does not keep the process alive. */
export function startFeedPoller({ follow, interval, onFailure, onRecovery }: FeedPollerOptions): FeedPoller {
  let failures = 0;
  let stopped = false;
  let isReading = false;
  let isWoken = false;
  let timer: NodeJS.Timeout | undefined;

  async function poll(): Promise<void> {
    isReading = true;
    isWoken = false;
    try {
      await follow();
      if (failures > 0) onRecovery(failures);
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures % Math.ceil(REMINDER / interval()) === 1) onFailure(error);
    }
    isReading = false;
    if (!stopped) schedule(isWoken && failures === 0 ? 0 : interval());
  }

  function schedule(wait: number): void {
    timer = setTimeout(() => {
      polling = poll();
    }, wait).unref();
  }

  let polling = poll();
  return {
    wake() {
      isWoken = true;
      // While readings fail, notifications do not make them more frequent.
      if (isReading || stopped || failures > 0) return;
      clearTimeout(timer);
      schedule(0);
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      return polling;
    },
  };
}
