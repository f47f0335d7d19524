import { Argument, type Command } from "commander";
import { print } from "../output.js";
import { addCommand, fullName } from "../shared.js";
import { bashScript } from "./bash.js";
import { fishScript } from "./fish.js";
import type { CompletedCommand, Values } from "./model.js";
import { zshScript } from "./zsh.js";

const SCRIPTS: Readonly<Record<string, (commands: readonly CompletedCommand[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** Adds the command that prints a shell's completion. */
export function addCompletionCommand(root: Command): void {
  addCommand(root, "completion", "print a script by which a shell completes commands, options and files")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(SCRIPTS)))
    .action((shell: string) => print(SCRIPTS[shell]?.(commandsOf(root)).trimEnd() ?? ""));
}

/** All commands under one, itself first. */
function commandsOf(command: Command): CompletedCommand[] {
  const help = command.createHelp();
  const below = help.visibleCommands(command);
  const [argument] = command.registeredArguments;
  const own: CompletedCommand = {
    path: fullName(command),
    description: command.description(),
    commands: below.map((one) => one.name()),
    options: help.visibleOptions(command).map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
      description: option.description,
      values: option.required ? valuesOf(option.argChoices, /<(.*)>/.exec(option.flags)?.[1]) : undefined,
    })),
    values: argument && valuesOf(argument.argChoices, argument.name()),
  };
  return [own, ...below.filter((one) => one.parent === command).flatMap(commandsOf)];
}

function valuesOf(choices: readonly string[] | undefined, name: string | undefined): Values {
  return choices ?? (name === "file" ? "file" : "any");
}
