import type { Command } from "commander";
import type { CliContext } from "../command.js";
import { addCopyCommand } from "./copy.js";
import { addMigrateCommand } from "./migrate.js";
import { addNewEpochCommand } from "./new-epoch.js";
import { addRekeyCommand } from "./rekey.js";

/** Adds the `store` commands: explicit maintenance of the store that a configuration names. */
export function addStoreCommands(root: Command, context: CliContext): void {
  const store = root.command("store").description("maintain the store: schema, keys, history, place");
  addMigrateCommand(store, context);
  addRekeyCommand(store, context);
  addNewEpochCommand(store, context);
  addCopyCommand(store, context);
}
