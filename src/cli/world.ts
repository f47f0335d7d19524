import type { Readable } from "node:stream";
import type { Clock } from "../contract/verifier.js";

/** What the command line has of the world. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly clock: Clock;
}
