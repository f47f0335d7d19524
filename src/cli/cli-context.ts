import type { Readable } from "node:stream";
import type { Clock } from "../util/clock.js";

/** What the command line has of the world. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly clock: Clock;
  /** Lets other processes go first from now on; of no effect where it is left out, for it cannot be taken back. */
  readonly standBack?: () => void;
}
