import os from "node:os";
import { Command, CommanderError } from "commander";
import { systemClock } from "../util/clock.js";
import { version } from "../util/version.js";
import { addAuditCommands } from "./audit.js";
import { addCheckCommand } from "./check/check.js";
import { addClientCommands } from "./client.js";
import { addCommand, type CliContext, jsonOption } from "./command.js";
import { type CommandFailure, EXIT, failureOf, failureToJson } from "./errors.js";
import { addExportCommand } from "./export.js";
import { addImportCommand } from "./import.js";
import { addInstanceCommands } from "./instance.js";
import { addKeysCommand } from "./keys-diff.js";
import { addMintCommand } from "./mint.js";
import { exitIfUnwritable, printError, printLine } from "./output.js";
import { addRevokeCommand } from "./revoke.js";
import { addServeCommand } from "./serve.js";
import { addStatusCommand } from "./status.js";
import { addStoreCommands } from "./store/store.js";
import { addUnrevokeCommand } from "./unrevoke.js";
import { addUserCommands } from "./user.js";
import { addVerifyCommand } from "./verify.js";

/** Runs the command line of this process and sets its exit code. */
export async function main(): Promise<void> {
  exitIfUnwritable();
  await run(process.argv, { env: process.env, stdin: process.stdin, clock: systemClock(), lowerPriority });
}

/** Lowers the priority of this process, if the system permits. */
function lowerPriority(): void {
  try {
    os.setPriority(os.constants.priority.PRIORITY_LOW);
  } catch {
    // The command runs at normal priority then.
  }
}

/** Runs a command line and sets the process's exit code, one of {@link EXIT}. */
export async function run(argv: readonly string[], context: CliContext): Promise<void> {
  const isJson = asksForJson(argv);
  const root = program(context, argv);
  // With --json, standard error has the one JSON object and no text of commander's.
  if (isJson) silence(root);
  try {
    await root.parseAsync(argv);
  } catch (error) {
    const failure = error instanceof CommanderError ? usageFailure(error, argv) : failureOf(error);
    process.exitCode = failure.exitCode;
    if (failure.exitCode === EXIT.done) return;
    if (isJson) printError(failureToJson(failure));
    else if (!(error instanceof CommanderError)) printError(failure.message);
  }
}

/** Whether the command line has `--json`; looked up before parsing, because parsing may be what fails. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end === -1 ? argv.length : end).includes("--json");
}

function silence(command: Command): void {
  command.configureOutput({ ...command.configureOutput(), writeErr: () => {} });
  for (const one of command.commands) silence(one);
}

function usageFailure({ exitCode, code, message }: CommanderError, argv: readonly string[]): CommandFailure {
  return {
    code: "USAGE",
    message:
      code === "commander.help"
        ? "A command is missing. token-verifier --help lists them."
        : usageText(message, argv).replace(/^error: /, ""),
    exitCode: exitCode === 0 ? EXIT.done : EXIT.usage,
  };
}

/** Commander's message without surplus arguments, one of which may be a token; suggests `--config` for a YAML file. */
function usageText(message: string, argv: readonly string[]): string {
  const text = message.trimEnd().replace(/(too many arguments.* but got \d+): .*\.$/s, "$1.");
  const file = argv
    .slice(2)
    .find((one, at, all) => /^[^-].*\.ya?ml$/.test(one) && !/^(-c|--config)$/.test(all[at - 1] ?? ""));
  return file !== undefined && text.includes("too many arguments") ? `${text}\n(Did you mean --config ${file}?)` : text;
}

function program(context: CliContext, argv: readonly string[]): Command {
  const root = new Command("token-verifier")
    .description("Verifies tokens: says whether a token is good, whose it is, and if not, why.")
    .version(version(), "-V, --version", "print the version")
    .exitOverride()
    .configureHelp({ helpWidth: 100 })
    .configureOutput({ outputError: (text, write) => write(`${usageText(text, argv)}\n`) })
    .showSuggestionAfterError()
    .addHelpText("after", "\ntoken-verifier help COMMAND shows a command's options, with examples.");
  addServeCommand(root, context);
  addVerifyCommand(root, context);
  addMintCommand(root, context);
  addCheckCommand(root, context);
  addKeysCommand(root, context);
  addImportCommand(root, context);
  addExportCommand(root, context);
  addInstanceCommands(root, context);
  addUserCommands(root, context);
  addClientCommands(root, context);
  addRevokeCommand(root, context);
  addUnrevokeCommand(root, context);
  addStatusCommand(root, context);
  addAuditCommands(root, context);
  addStoreCommands(root, context);
  addCommand(root, "version", "print the version", ["token-verifier version", "token-verifier version --json"])
    .addOption(jsonOption())
    .action(({ json }: { json?: boolean }) => {
      printLine(json ? JSON.stringify({ version: version(), node: process.version }) : version());
    });
  return root;
}
