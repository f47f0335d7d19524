import { Command, CommanderError } from "commander";
import { version } from "../util/version.js";
import type { CliContext } from "./cli-context.js";
import { addDirectoryCommands } from "./directory/directory-commands.js";
import { EXIT, type Failure, failureOf, failureToJson } from "./errors.js";
import { complain, print } from "./output.js";
import { addServeCommand } from "./serve.js";
import { addCommand, jsonOption } from "./shared.js";
import { addKeysCommand, addTokenCommands } from "./token/token-commands.js";

/** Runs a command line. Sets the process's exit code: 0 done, 1 a negative verdict, 2 usage or configuration, 3 unavailable. */
export async function run(argv: readonly string[], world: CliContext): Promise<void> {
  const isJson = asksForJson(argv);
  const root = program(world, argv);
  // What commander would say is an error like any other, and said once.
  if (isJson) silence(root);
  try {
    await root.parseAsync(argv);
  } catch (error) {
    const failure = error instanceof CommanderError ? usageFailure(error, argv) : failureOf(error);
    process.exitCode = failure.exitCode;
    if (failure.exitCode === EXIT.done) return;
    if (isJson) complain(failureToJson(failure));
    else if (!(error instanceof CommanderError)) complain(failure.message);
  }
}

/** Known before the command line is read, for it may be what cannot be read. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end === -1 ? argv.length : end).includes("--json");
}

function silence(command: Command): void {
  command.configureOutput({ ...command.configureOutput(), writeErr: () => {} });
  for (const one of command.commands) silence(one);
}

function usageFailure({ exitCode, code, message }: CommanderError, argv: readonly string[]): Failure {
  const isHelp = code === "commander.help";
  const told = message.replace(/^error: /, "") + meantOption(message, argv);
  return {
    code: "USAGE",
    message: isHelp ? "A command is missing: token-verifier --help lists them." : told,
    exitCode: exitCode === 0 ? EXIT.done : EXIT.usage,
  };
}

/** The option that a file stands for which was given as an argument too many; empty where there is none. */
function meantOption(message: string, argv: readonly string[]): string {
  const file = argv
    .slice(2)
    .find((one, at, all) => /^[^-].*\.ya?ml$/.test(one) && !/^(-c|--config)$/.test(all[at - 1] ?? ""));
  return file !== undefined && message.includes("too many arguments") ? `\n(Did you mean --config ${file}?)` : "";
}

function program(world: CliContext, argv: readonly string[]): Command {
  const root = new Command("token-verifier")
    .description("Answers whether a token is good, whose it is, and if not, why.")
    .version(version(), "-V, --version", "print the version")
    .exitOverride()
    .configureHelp({ helpWidth: 100 })
    .configureOutput({ outputError: (text, write) => write(`${text.trimEnd()}${meantOption(text, argv)}\n`) })
    .showSuggestionAfterError()
    .addHelpText("after", "\ntoken-verifier help COMMAND shows what it takes, with examples.");
  addServeCommand(root, world);
  addTokenCommands(root, world);
  addKeysCommand(root, world);
  addDirectoryCommands(root, world);
  addCommand(root, "version", "print the version")
    .addOption(jsonOption())
    .action(({ json }: { json?: boolean }) => {
      print(json ? JSON.stringify({ version: version(), node: process.version }) : version());
    });
  return root;
}
