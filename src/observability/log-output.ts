import { type DestinationStream, type Logger, pino } from "pino";
import pretty from "pino-pretty";
import type { Config } from "../config/load.js";
import { tell } from "./lines.js";

/** How the service logs: the configuration's `log`. */
export type LogSettings = Config["log"];

/** The log: one line for each event, JSON or for people's eyes; constant messages, values as fields. */
export function createLogger({ level, format }: LogSettings, destination?: DestinationStream): Logger {
  const stream = destination ?? standardOutput((lines) => tell(log, "log lines lost", { lines }));
  const written =
    format === "pretty" && destination === undefined
      ? pretty({ destination: stream, ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss.l" })
      : stream;
  const formatters = { level: (label: string) => ({ level: label }) };
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters }, written);
  return log;
}

/** What is kept of lines that nobody has read yet, in characters; further ones are lost. */
const MOST_UNREAD = 1024 ** 2;

/** How often the end of the process tries to hand out the last lines, 100 ms apart, where nobody reads them. */
const LAST_TRIES = 10;

/**
 * Standard output for a log. A full disk, a closed pipe or a reader that has stopped loses lines and never the service;
 * standard error says so, once.
 *
 * @param onLost is told how many lines were lost because those before them were not read, once they are read again
 */
function standardOutput(onLost: (lines: number) => void): DestinationStream {
  let triesLeft = Number.POSITIVE_INFINITY;
  // Ahead of pino's own handler, which would wait for the reader without end.
  process.once("exit", () => {
    triesLeft = LAST_TRIES;
    try {
      stream.flushSync();
    } catch {
      stream.destroy();
    }
  });
  // Node makes a pipe one that refuses instead of one that blocks, once it was asked for it.
  const { fd } = process.stdout;
  const stream = pino.destination({ fd, sync: false, maxLength: MOST_UNREAD, retryEAGAIN: () => triesLeft-- > 0 });
  let lost = 0;
  stream.on("drop", () => lost++);
  stream.on("drain", () => {
    const lines = lost;
    lost = 0;
    if (lines > 0) onLost(lines);
  });
  let told = false;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (told) return;
    told = true;
    process.stderr.write(`Log lines are lost: standard output cannot be written (${error.code ?? error.message}).\n`);
  });
  return stream;
}
