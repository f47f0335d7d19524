#!/usr/bin/env node
import { systemClock } from "./clock.js";
import { run } from "./program.js";

await run(process.argv, { env: process.env, stdin: process.stdin, clock: systemClock() });
