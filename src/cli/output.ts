import { EXIT } from "./errors.js";

// What a command prints, and what happens if it cannot.

/** Prints a line of a command's result to standard output. */
export const printLine = (line: string): void => void process.stdout.write(`${line}\n`);

/** Prints a line about an error to standard error. */
export const printError = (line: string): void => void process.stderr.write(`${line}\n`);

/** Aligns cells in columns, two spaces apart; the last column is not padded. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.slice(0, -1).entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

/** Ends the process with exit code 3; without a message if the reader closed the pipe, as `| head` does. */
function exitUnwritable({ code }: NodeJS.ErrnoException): void {
  if (code !== "EPIPE") printError(`Standard output cannot be written (${code}). Check where it is redirected to.`);
  process.exit(EXIT.unavailable);
}

/** Ends the process as soon as standard output cannot be written: the command's result would be lost. */
export function exitIfUnwritable(): void {
  process.stdout.on("error", exitUnwritable);
}

const ignore = (): void => {};

/** Keeps the process running if standard output cannot be written: a service still answers calls. */
export function surviveUnwritable(): void {
  process.stdout.off("error", exitUnwritable);
  // Once per process, however many services it started.
  if (!process.stdout.listeners("error").includes(ignore)) process.stdout.on("error", ignore);
}
