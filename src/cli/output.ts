import { EXIT } from "./errors.js";

/** Prints a line of what a command is asked for. */
export const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Says what went wrong. */
export const complain = (line: string): void => void process.stderr.write(`${line}\n`);

/** Ends the process; quietly where whoever reads has enough, as `| head` has. */
function end({ code }: NodeJS.ErrnoException): void {
  if (code !== "EPIPE") complain(`Standard output cannot be written (${code}).`);
  process.exit(EXIT.unavailable);
}

/** Has the process end where what it prints cannot be written: what it was asked for would be missing. */
export function endWithoutOutput(): void {
  process.stdout.on("error", end);
}

const ignore = (): void => {};

/** Has the process go on where what it prints cannot be written: a service has other things to do. */
export function outliveOutput(): void {
  process.stdout.off("error", end);
  // Once, however many services there were in this process.
  if (!process.stdout.listeners("error").includes(ignore)) process.stdout.on("error", ignore);
}
