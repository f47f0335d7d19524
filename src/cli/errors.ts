import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { ConfigError } from "../config/issues.js";
import { toldFile, unreadable } from "../config/read-file.js";
import { DirectoryError } from "../directory/errors.js";
import { ImportError } from "../directory/transfer/bulk.js";

/** How a command ends, as its exit code. */
export const EXIT = { done: 0, negative: 1, usage: 2, unavailable: 3 } as const;

/** What each end says; docs/reference/exit-codes.md is made of it. */
export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: "Done. `verify`: the token is good. `serve`: a signal ended it, and everything was closed.",
  negative: "`verify` alone: the token was rejected.",
  usage:
    "The command line, a file that it names, the configuration or the store has to be mended first; trying again is no use. `verify`: the service refused the call.",
  unavailable:
    "What may pass: a port that is taken, a locked or full store, a service that cannot be reached or reaches no verdict. `serve`: a second signal ended it at once. What was printed could not be written, or nobody read it to its end. A fault of the program itself, too.",
};

/** An end of a command that the operator can do something about. */
export class CommandError extends Error {
  /** @param code as {@link Failure} has it */
  constructor(
    message: string,
    readonly exitCode: number,
    readonly code = "USAGE",
    readonly details: object = {},
  ) {
    super(message);
    this.name = "CommandError";
  }
}

/** The secret in a file that an option names, without white space around it. @throws {CommandError} */
export function secretIn(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new CommandError(`${toldFile(file)} ${unreadable(error)}.`, EXIT.usage);
  }
}

/** How a command ended that did not do what it was asked. */
export interface Failure {
  /** A name in capitals; stays what it is, for scripts go by it. docs/command-line.md lists them. */
  readonly code: string;
  readonly message: string;
  readonly exitCode: number;
  /** What else `--json` tells. */
  readonly details?: object;
}

/** The failure that a thrown thing is. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommandError) return error;
  if (error instanceof ConfigError) {
    const { message, file, issues } = error;
    return { code: "CONFIGURATION", message, exitCode: EXIT.usage, details: { file, issues } };
  }
  if (error instanceof DirectoryError) {
    const exitCode = error.code === "unavailable" ? EXIT.unavailable : EXIT.usage;
    const code = `DIRECTORY_${error.code.replace("-", "_").toUpperCase()}`;
    const details = error instanceof ImportError ? { problems: error.problems, more: error.more } : {};
    return { code, message: error.message, exitCode, details };
  }
  const { code, syscall, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (syscall === "listen") {
    return { code: "LISTEN", message: listenMessage(code, address, port), exitCode: EXIT.unavailable };
  }
  if (syscall === "getaddrinfo") {
    const { hostname } = error as { hostname?: string };
    const message = `The host ${hostname ?? ""} cannot be found (${code ?? ""}): give another in the configuration.`;
    return { code: "HOST_UNKNOWN", message, exitCode: EXIT.usage };
  }
  // The system's own words name the file and what was tried.
  if (code !== undefined && syscall !== undefined) {
    return { code: "SYSTEM", message: (error as Error).message, exitCode: EXIT.unavailable, details: { system: code } };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: "INTERNAL", message, exitCode: EXIT.unavailable };
}

/** A failure as `--json` prints it on standard error. */
export function failureToJson({ code, message, details }: Failure): string {
  return JSON.stringify({ error: { code, message, ...details } });
}

function hostOrSocket(address: string, port: number | undefined): string {
  return port === undefined || port < 0 ? `unix:${address}` : `${address}:${port}`;
}

function listenMessage(code: string | undefined, address: string | undefined, port: number | undefined): string {
  // Node leaves out a port that is 0.
  const where = port === undefined && isIP(address ?? "") > 0 ? `${address}:0` : hostOrSocket(address ?? "", port);
  const why: Record<string, string> = {
    EADDRINUSE: "another process listens there: stop it, or give another address in the configuration",
    EACCES: "this user may not listen there: give a port above 1023, or a folder that may be written",
    EADDRNOTAVAIL: "this machine has no such address: give another in the configuration",
  };
  return `Cannot listen at ${where}: ${why[code ?? ""] ?? code ?? "unknown reason"}.`;
}
