/** The shortest age at which a connection is closed, in milliseconds: src/net/http2/connections.ts draws 27 to 33 minutes. */
const YOUNGEST = 27 * 60_000;
const OLDEST = 33 * 60_000;

const due: (() => void)[] = [];
let isHeld = false;

/** Lets a test decide when connections reach their age: timers of 27 to 33 minutes are noted as they are set. */
export function holdAges(): {
  /** Ends all timers of that length that were set until now. */
  pass(): void;
} {
  if (!isHeld) {
    isHeld = true;
    const set = globalThis.setTimeout;
    globalThis.setTimeout = new Proxy(set, {
      apply(target, self, args: Parameters<typeof setTimeout>) {
        const [run, millis = 0] = args;
        if (millis >= YOUNGEST && millis <= OLDEST) due.push(run);
        return Reflect.apply(target, self, args);
      },
    });
  }
  return {
    pass: () => {
      for (const run of due.splice(0)) run();
    },
  };
}
