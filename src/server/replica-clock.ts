import type { Logger } from "pino";
import { tell } from "../observability/lines.js";
import type { Clock } from "../util/clock.js";

/** Milliseconds by which clocks may differ without a line in the log. */
const UNREMARKABLE = 2_000;

/** What is compared: this machine's clock, and how far it is ahead of the store's. */
export interface ComparedClocks {
  readonly clock: Clock;
  /** Milliseconds. */
  readonly offset: () => number;
  /** `store.maxClockOffset`, in milliseconds. */
  readonly max: number;
}

/** Both times, for operators; undefined if the clocks differ by no more than the most. */
export function clockTrouble({ clock, offset, max }: ComparedClocks): string | undefined {
  if (Math.abs(offset()) <= max) return undefined;
  const { ours, stores } = timesOf(clock(), offset());
  return `this machine's clock (${ours}) and the store's (${stores}) differ by more than store.maxClockOffset: set them right`;
}

const timesOf = (now: number, offset: number): { readonly ours: string; readonly stores: string } => ({
  ours: new Date(now).toISOString(),
  stores: new Date(now - offset).toISOString(),
});

/** Logs once that the clocks begin to differ, that they differ too much for verdicts, and that they agree again. @returns looks */
export function watchClocks({ clock, offset, max }: ComparedClocks, log: Logger): () => void {
  let logged: "agree" | "differ" | "apart" = "agree";
  return () => {
    const by = Math.abs(offset());
    const found = by > max ? "apart" : by > UNREMARKABLE ? "differ" : "agree";
    if (found === logged) return;
    logged = found;
    const times = timesOf(clock(), offset());
    if (found === "agree") tell(log, "clock agrees with the store's again", times);
    else if (found === "differ") tell(log, "clock differs from the store's", times);
    else tell(log, "clock differs from the store's: no verdicts are given", times);
  };
}
