import type { Readable } from "node:stream";
import { type Command, Option } from "commander";
import type { Clock } from "../util/clock.js";

// What all commands share.

/** What a command uses of its process. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly clock: Clock;
  /** Lowers the priority of the process for good; tests leave it out. */
  readonly lowerPriority?: () => void;
}

/**
 * Adds a command to its parent.
 *
 * @param examples lines for a shell in a folder where `serve` has made `./data`, for the end of the help; a comment names
 * the exit code of a line that does not end with 0
 */
export function addCommand(parent: Command, name: string, description: string, examples: readonly string[]): Command {
  const text = ["", "Examples:", ...examples.map((line) => `  ${line}`)].join("\n");
  return parent.command(name).description(description).addHelpText("after", text);
}

/** `--json`. */
export const jsonOption = (description = "print JSON; errors as JSON on standard error"): Option =>
  new Option("--json", description);

/** `--config`. */
export const configOption = (): Option =>
  new Option("-c, --config <file>", "the configuration (default: data/verifier.yaml, if serve has made it)");

/** `--realm`, which must be given. */
export const realmOption = (): Option => new Option("-r, --realm <name>", "the realm").makeOptionMandatory();

/** `--only`. @param description what the command does to the one part */
export const onlyOption = (description: string): Option =>
  new Option("--only <part>", description).choices(["grpc", "http"]);
