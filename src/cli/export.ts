import { once } from "node:events";
import type { Command } from "commander";
import { loadConfig } from "../config/load.js";
import { writeJsonLine } from "../directory/transfer/json-lines.js";
import { addCommand, type CliContext, configOption, jsonOption } from "./command.js";
import { configFile, onDirectory } from "./resolve.js";

const DESCRIPTION =
  "print the directory as JSON Lines, with secrets encrypted under the master key, without revocations";

/** Adds `export`. */
export function addExportCommand(root: Command, context: CliContext): void {
  addCommand(root, "export", DESCRIPTION, ["token-verifier export > directory.jsonl"])
    .addOption(configOption())
    .addOption(jsonOption("print errors as JSON on standard error"))
    .action(async (options: { config?: string }) => {
      const config = loadConfig(configFile(options.config), context);
      await onDirectory(config, context.clock, "read", async ({ directory, masterKeys }) => {
        for await (const entry of directory.export()) {
          const hasRoom = process.stdout.write(`${writeJsonLine(entry, masterKeys)}\n`);
          if (!hasRoom) await once(process.stdout, "drain");
        }
      });
    });
}
