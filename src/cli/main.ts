#!/usr/bin/env node
import os from "node:os";
import { systemClock } from "./clock.js";
import { endWithoutOutput } from "./output.js";
import { run } from "./program.js";

const standBack = (): void => {
  try {
    os.setPriority(os.constants.priority.PRIORITY_LOW);
  } catch {
    // Where that is not permitted, the work is done all the same.
  }
};

endWithoutOutput();
await run(process.argv, { env: process.env, stdin: process.stdin, clock: systemClock(), standBack });
