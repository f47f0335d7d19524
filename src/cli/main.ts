#!/usr/bin/env node
import { run } from "./program.js";

await run(process.argv, { env: process.env, stdin: process.stdin, clock: Date.now });
