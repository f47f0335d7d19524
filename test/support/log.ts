import { type Logger, pino } from "pino";
import { LINES } from "../../src/observability/lines.js";

/** A log that is kept in memory. */
export interface MemoryLog {
  readonly log: Logger;
  /** Everything that was written, a line of JSON for each event. */
  text(): string;
}

/** Makes a log that keeps everything, down to trace. A line that is not documented fails the test that runs. */
export function createMemoryLog(): MemoryLog {
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push(line);
    holdToTables(line);
  };
  const log = pino({ level: "trace", base: null }, { write });
  return { log, text: () => lines.join("") };
}

/** Fails the test that runs, from outside of what writes, where a line is not as src/observability/lines.ts has it. */
export function holdToTables(text: string): void {
  const fault = undocumented(JSON.parse(text) as Record<string, unknown>);
  if (fault === undefined) return;
  queueMicrotask(() => {
    throw new Error(`${fault}: ${text}`);
  });
}

/** What a line of the log has that the tables have not, or lacks that they have; undefined where they agree. */
export function undocumented({
  msg,
  level,
  time: _time,
  ...fields
}: Readonly<Record<string, unknown>>): string | undefined {
  const line = Object.entries(LINES).find(([message]) => message === msg)?.[1];
  if (line === undefined) return "no such message";
  const levels: readonly string[] = line.levels;
  const name = typeof level === "number" ? (pino.levels.labels[level] ?? "") : String(level);
  if (!levels.includes(name)) return `not at ${name}`;
  const all: readonly string[] = [...line.fields, ...("sometimes" in line ? line.sometimes : [])];
  const more = Object.keys(fields).filter((field) => !all.includes(field));
  const missing = line.fields.filter((field) => !(field in fields));
  return more.length + missing.length === 0 ? undefined : `more: ${more.join(", ")}; missing: ${missing.join(", ")}`;
}
