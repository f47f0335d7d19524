import type { Command } from "commander";
import { loadConfig } from "../../config/load.js";
import { dropMasterKey, rekey } from "../../directory/sql/rekey.js";
import { rekeyData } from "../../directory/sql/reseal.js";
import { addCommand, type CliContext, configOption, jsonOption } from "../command.js";
import { UsageError } from "../errors.js";
import { printLine } from "../output.js";
import { actorOfCommand, configFile, onDirectory } from "../resolve.js";

const EXAMPLES = [
  "token-verifier store rekey",
  "token-verifier store rekey --data --json",
  "token-verifier store rekey --drop 0123456789abcdef   # exit code 2",
];

interface RekeyOptions {
  readonly config?: string;
  readonly data?: boolean;
  readonly drop?: string;
  readonly json?: boolean;
}

/** Adds `store rekey`. */
export function addRekeyCommand(store: Command, context: CliContext): void {
  addCommand(store, "rekey", "seal the store's keys under every configured master key, while it is in use", EXAMPLES)
    .option("--data", "also draw new keys, and put secrets and key sets under them")
    .option("--drop <id>", "instead, let a master key no longer open the store")
    .addOption(configOption())
    .addOption(jsonOption())
    .action(async (options: RekeyOptions): Promise<void> => {
      const { data = false, drop, json = false } = options;
      if (data && drop !== undefined) throw new UsageError("Give --data or --drop, one after the other.");
      const config = loadConfig(configFile(options.config), context);
      await onDirectory(config, context.clock, "change", async ({ store: open }) => {
        const actor = actorOfCommand();
        if (drop !== undefined) {
          await dropMasterKey(open, drop, actor);
          printLine(json ? JSON.stringify({ dropped: drop }) : `the master key ${drop} no longer opens the store`);
          return;
        }
        const { added, masterKeys } = await rekey(open, actor);
        const resealed = data ? await rekeyData(open, actor) : undefined;
        if (json) {
          printLine(JSON.stringify({ added, masterKeys, ...resealed }));
          return;
        }
        printLine(
          `the store opens under ${masterKeys.join(", ")}${added.length > 0 ? `; new: ${added.join(", ")}` : ""}`,
        );
        if (resealed === undefined) return;
        const { secretKeys, clientSecrets, keySets } = resealed.left;
        printLine(
          `left under older keys: ${secretKeys} secret keys, ${clientSecrets} clients' secrets, ${keySets} key sets`,
        );
        if (clientSecrets > 0) printLine("A client's secret moves to the new key when the client next shows it.");
      });
    });
}
