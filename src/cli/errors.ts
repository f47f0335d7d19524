import { isIP } from "node:net";
import { ConfigError } from "../config/errors.js";
import { OperatorError } from "../contract/operator-failures.js";
import { DirectoryError } from "../directory/errors.js";
import { ImportError } from "../directory/transfer/import.js";

/** The exit codes of every command. */
export const EXIT = { done: 0, negative: 1, usage: 2, unavailable: 3 } as const;

/** The meaning of each exit code; docs/reference/exit-codes.md is generated from it. */
export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: "Success. `verify`: the token is good. `serve`: a signal stopped the service, and it closed everything.",
  negative: "`verify` only: the token was rejected.",
  usage:
    "The command line, a file that it names, the configuration or the store needs to be fixed; trying again does not help. `verify`: the service refused the call.",
  unavailable:
    "A problem that may pass: a port in use, a locked or full store, a service that cannot be reached or reaches no verdict. `serve`: a second signal ended it at once. Also: standard output could not be written or was closed early, or the program itself failed.",
};

/** A failure of a command that the operator can do something about. */
export class CommandError extends Error {
  override readonly name: string = "CommandError";

  /** @param code see {@link CommandFailure} */
  constructor(
    message: string,
    readonly exitCode: number,
    readonly code = "USAGE",
    readonly details: object = {},
  ) {
    super(message);
  }
}

/** A failure that the operator can fix; its message says how. The exit code is 2. */
export class UsageError extends CommandError {
  override readonly name = "UsageError";

  constructor(message: string) {
    super(message, EXIT.usage);
  }
}

/** Why a command did not do what it was asked to. */
export interface CommandFailure {
  /** A stable name in capitals, for scripts; docs/command-line.md lists them. */
  readonly code: string;
  readonly message: string;
  readonly exitCode: number;
  /** More members of what `--json` prints. */
  readonly details?: object;
}

/** The failure that anything thrown amounts to. */
export function failureOf(error: unknown): CommandFailure {
  if (error instanceof CommandError) return error;
  if (error instanceof ConfigError) {
    const { message, file, issues } = error;
    return { code: "CONFIGURATION", message, exitCode: EXIT.usage, details: { file, issues } };
  }
  if (error instanceof DirectoryError) {
    const exitCode = error.code === "unavailable" ? EXIT.unavailable : EXIT.usage;
    const code = `DIRECTORY_${error.code.replace("-", "_").toUpperCase()}`;
    const details = error instanceof ImportError ? { problems: error.issues, more: error.more } : {};
    return { code, message: error.message, exitCode, details };
  }
  if (error instanceof OperatorError) return operatorFailure(error);
  return systemFailure(error as SystemError) ?? internalFailure(error);
}

/** The failure that an operator's error amounts to: what may pass has the exit code 3. */
function operatorFailure({ reason, message, retryAfter }: OperatorError): CommandFailure {
  const mayPass = retryAfter !== undefined || reason === "INTERNAL";
  return { code: reason, message, exitCode: mayPass ? EXIT.unavailable : EXIT.usage };
}

/** A failure as `--json` prints it on standard error. */
export function failureToJson({ code, message, details }: CommandFailure): string {
  return JSON.stringify({ error: { code, message, ...details } });
}

interface SystemError extends NodeJS.ErrnoException {
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

function systemFailure(error: SystemError): CommandFailure | undefined {
  const { code, syscall, hostname = "", message } = error;
  if (syscall === "listen") return { code: "LISTEN", message: listenMessage(error), exitCode: EXIT.unavailable };
  if (syscall === "getaddrinfo") {
    const unknown = `The host ${hostname} cannot be found (${code ?? ""}). Give another host in the configuration.`;
    return { code: "HOST_UNKNOWN", message: unknown, exitCode: EXIT.usage };
  }
  if (code === undefined || syscall === undefined) return undefined;
  // The system's message names the file and the operation.
  return { code: "SYSTEM", message, exitCode: EXIT.unavailable, details: { system: code } };
}

function internalFailure(error: unknown): CommandFailure {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: "INTERNAL", message, exitCode: EXIT.unavailable };
}

const LISTEN_CAUSES: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there. Stop it, or give another address in the configuration",
  EACCES: "this user may not listen there. Give a port above 1023, or a folder that this user may write to",
  EADDRNOTAVAIL: "this machine has no such address. Give another in the configuration",
};

function listenMessage({ code = "unknown reason", address = "", port }: SystemError): string {
  // Node leaves the port out if it is 0.
  const at = port === undefined && isIP(address) > 0 ? 0 : port;
  const where = at === undefined || at < 0 ? `unix:${address}` : `${address}:${at}`;
  return `Cannot listen at ${where}: ${LISTEN_CAUSES[code] ?? code}.`;
}
