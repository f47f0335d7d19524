import { type Logger, pino } from "pino";

/** A log that is kept in memory. */
export interface MemoryLog {
  readonly log: Logger;
  /** Everything that was written, a line of JSON for each event. */
  text(): string;
}

/** Makes a log that keeps everything, down to trace. */
export function createMemoryLog(): MemoryLog {
  const lines: string[] = [];
  const log = pino({ level: "trace", base: null }, { write: (line: string) => void lines.push(line) });
  return { log, text: () => lines.join("") };
}
