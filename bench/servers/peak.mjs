// Preloaded into a command: says at its end, at file descriptor 3, the most memory that it had, in KiB.
import { writeSync } from "node:fs";

process.on("exit", () => writeSync(3, String(process.resourceUsage().maxRSS)));
