import { once } from "node:events";
import type { Command } from "commander";
import { loadConfig } from "../config/load.js";
import { writeJsonLine } from "../directory/transfer/json-lines.js";
import { addCommand, type CliContext } from "./command.js";
import { addOperatorOptions, checkLocal, type OperatorOptions, withOperations } from "./operators.js";
import { configFile, onDirectory } from "./resolve.js";

const DESCRIPTION = "print the directory as JSON Lines, with secrets encrypted under the master key";

const EXAMPLES = [
  "token-verifier export > directory.jsonl",
  "token-verifier export --revocations --snapshot > all.jsonl",
];

/** Adds `export`. */
export function addExportCommand(root: Command, context: CliContext): void {
  addOperatorOptions(
    addCommand(root, "export", DESCRIPTION, EXAMPLES)
      .option("--revocations", "the revocations too, after everything else")
      .option(
        "--snapshot",
        "everything as it is at one moment: at most 10 minutes, in which PostgreSQL cannot clean up",
      ),
    "print errors as JSON on standard error",
  ).action(async (options: OperatorOptions & { revocations?: boolean; snapshot?: boolean }) => {
    const { revocations = false, snapshot = false } = options;
    if (options.admin !== undefined) {
      await withOperations(options, context, "read", async (on) => {
        for await (const { lines } of on.exportDirectory({ revocations, snapshot })) await write(lines);
      });
      return;
    }
    checkLocal(options);
    const config = loadConfig(configFile(options.config), context);
    await onDirectory(config, context.clock, "read", async ({ directory, masterKeys }) => {
      for await (const entry of directory.export({ revocations, snapshot }))
        await write(`${writeJsonLine(entry, masterKeys)}\n`);
    });
  });
}

/** Prints a part, and waits until standard output has room for the next. */
async function write(part: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(part)) await once(process.stdout, "drain");
}
