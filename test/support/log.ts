import { type Logger, pino } from "pino";
import { LINES } from "../../src/observability/lines.js";

/** A log that is kept in memory. */
export interface MemoryLog {
  readonly log: Logger;
  /** The whole log, with a line of JSON for each event. */
  text(): string;
}

/** Makes a log that keeps every line down to trace; an undocumented line fails the running test. */
export function createMemoryLog(): MemoryLog {
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push(line);
    holdToTables(line);
  };
  const log = pino({ level: "trace", base: null }, { write });
  return { log, text: () => lines.join("") };
}

/** Fails the running test, outside of the code that logs, if a line differs from src/observability/lines.ts. */
export function holdToTables(text: string): void {
  const fault = undocumented(JSON.parse(text) as Record<string, unknown>);
  if (fault === undefined) return;
  queueMicrotask(() => {
    throw new Error(`${fault}: ${text}`);
  });
}

/** Describes how a log line differs from the tables; undefined if it does not. */
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
