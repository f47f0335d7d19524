import { existsSync } from "node:fs";
import path from "node:path";
import { type Command, Option } from "commander";
import { DEVELOPMENT_FILE, DEVELOPMENT_FOLDER } from "../server/development/folder.js";
import { CommandError, EXIT } from "./errors.js";
import { EXAMPLES } from "./examples.js";

// What the commands have in common.

/** `--json`. */
export const jsonOption = (what = "print JSON; errors too, on standard error"): Option => new Option("--json", what);

/** `--config`. */
export const configOption = (): Option =>
  new Option("-c, --config <file>", "the configuration (default: data/verifier.yaml, where serve has made it)");

/** `--realm`, where it must be given. */
export const realmOption = (): Option => new Option("-r, --realm <name>", "the realm").makeOptionMandatory();

/** `--only`. @param what what it does */
export const onlyOption = (what: string): Option => new Option("--only <part>", what).choices(["grpc", "http"]);

/** The configuration that was asked for, or the development one. @throws {CommandError} where there is neither */
export function configFile(given: string | undefined): string {
  if (given !== undefined) return given;
  const file = path.join(DEVELOPMENT_FOLDER, DEVELOPMENT_FILE);
  if (existsSync(file)) return file;
  throw new CommandError(
    "Give a configuration: --config FILE. (`token-verifier serve` makes one for development.)",
    EXIT.usage,
  );
}

/** Adds a command, with its examples at the end of its help. */
export function addCommand(parent: Command, name: string, description: string): Command {
  const command = parent.command(name).description(description);
  const lines = EXAMPLES[fullName(command)] ?? [];
  return command.addHelpText("after", ["", "Examples:", ...lines.map((line) => `  ${line}`)].join("\n"));
}

/** A command's name with those above it, without the program's own: `keys diff`. */
export function fullName(command: Command): string {
  const { parent } = command;
  return parent === null ? "" : `${fullName(parent)} ${command.name()}`.trim();
}
