/** Prints a line of what a command is asked for. */
export const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Says what went wrong. */
export const complain = (line: string): void => void process.stderr.write(`${line}\n`);
