import type { Command } from "commander";
import { loadConfig } from "../../config/load.js";
import { beginNewHistory } from "../../directory/sql/new-history.js";
import { addCommand, type CliContext, configOption, jsonOption } from "../command.js";
import { printLine } from "../output.js";
import { actorOfCommand, configFile, onDirectory } from "../resolve.js";

const DESCRIPTION = "make every process drop what it knows of the store and read it again";

/** Adds `store new-epoch`. */
export function addNewEpochCommand(store: Command, context: CliContext): void {
  addCommand(store, "new-epoch", DESCRIPTION, ["token-verifier store new-epoch"])
    .addOption(configOption())
    .addOption(jsonOption())
    .action(async (options: { config?: string; json?: boolean }): Promise<void> => {
      const config = loadConfig(configFile(options.config), context);
      const { number } = await onDirectory(config, context.clock, "change", ({ store: open }) =>
        beginNewHistory(open, actorOfCommand()),
      );
      printLine(
        options.json ? JSON.stringify({ change: number }) : `all processes read the store again (change ${number})`,
      );
    });
}
