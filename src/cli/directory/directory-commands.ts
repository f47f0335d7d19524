import { once } from "node:events";
import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { loadConfig } from "../../config/load.js";
import { writeBulkLine } from "../../directory/transfer/bulk-write.js";
import { storePath } from "../../server/store.js";
import type { CliContext } from "../cli-context.js";
import { secretIn } from "../errors.js";
import { print } from "../output.js";
import { addCommand, configFile, configOption, jsonOption } from "../shared.js";
import { formatImport, importFile } from "./import.js";
import { onDirectory } from "./on-directory.js";
import { type RevokeOptions, revoke } from "./revoke.js";

/** Adds the commands that change the directory, or give it out. */
export function addDirectoryCommands(root: Command, world: CliContext): void {
  addCommand(root, "import", "take instances, users and clients from JSON Lines into the directory, all or nothing")
    .argument("<file>", "the file; - reads standard input")
    .addOption(configOption())
    .option("--dry-run", "say what would be done, and do nothing")
    .option("--prune", "remove what the file does not name")
    .addOption(jsonOption())
    .action(async (file: string, options: { config?: string; dryRun?: boolean; prune?: boolean; json?: boolean }) => {
      const { dryRun = false, prune = false } = options;
      const loaded = loadConfig(configFile(options.config), world);
      const report = await importFile(file, loaded, { dryRun, prune }, world);
      const store = storePath(loaded);
      print(options.json ? JSON.stringify({ dryRun, store, ...report }) : formatImport(report, dryRun, store));
    });

  addCommand(
    root,
    "export",
    "print the directory as JSON Lines, secrets sealed under the master key; without revocations",
  )
    .addOption(configOption())
    .addOption(jsonOption("errors as JSON, on standard error"))
    .action(async (options: { config?: string }) => {
      const loaded = loadConfig(configFile(options.config), world);
      await onDirectory(loaded, world.clock, "read", async ({ directory, masterKeys }) => {
        for await (const entry of directory.export()) {
          const isTaken = process.stdout.write(`${writeBulkLine(entry, masterKeys)}\n`);
          if (!isTaken) await once(process.stdout, "drain");
        }
      });
    });

  addCommand(root, "revoke", "revoke a token: by its jti in a realm, or by the token itself")
    .option("-r, --realm <name>", "the realm")
    .option("--jti <jti>", "the token's jti")
    .option("--instance <id>", "the instance that signed it, where instances sign their own")
    .option("--token <file>", "the token in a file; - reads it from standard input")
    .option("--until <time>", "forget it then: exp plus clockTolerance, or later (default: never)")
    .addOption(configOption())
    .addOption(jsonOption())
    .action(async (options: RevokeOptions & { token?: string; config?: string; json?: boolean }) => {
      const { token: file } = options;
      const loaded = loadConfig(configFile(options.config), world);
      const token = file === "-" ? (await text(world.stdin)).trim() : file && secretIn(file);
      const { token: revoked, until } = await revoke(loaded, token, options, world);
      const named = revoked.digest ?? `${revoked.realm} ${revoked.jti}`;
      const end = until === null ? "for good" : `until ${new Date(until * 1000).toISOString()}`;
      print(options.json ? JSON.stringify({ ...revoked, until }) : `revoked ${named} ${end}`);
    });
}
