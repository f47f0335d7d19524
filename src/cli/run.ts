import os from "node:os";
import { systemClock } from "../util/clock.js";
import { endWithoutOutput } from "./output.js";
import { run } from "./program.js";

/** Lets other processes go first, where the system permits it. */
function lowerPriority(): void {
  try {
    os.setPriority(os.constants.priority.PRIORITY_LOW);
  } catch {
    // The work is done at normal priority.
  }
}

/** Runs the process's command line and sets its exit code. */
export async function main(): Promise<void> {
  endWithoutOutput();
  await run(process.argv, {
    env: process.env,
    stdin: process.stdin,
    clock: systemClock(),
    standBack: lowerPriority,
  });
}
