import type { Command } from "commander";
import { type Config, loadConfig } from "../../config/load.js";
import { migrateStore } from "../../server/store.js";
import { addCommand, type CliContext, configOption, jsonOption } from "../command.js";
import { UsageError } from "../errors.js";
import { printLine } from "../output.js";
import { configFile } from "../resolve.js";

const EXAMPLES = ["token-verifier store migrate"];

interface MigrateOptions {
  readonly config?: string;
  readonly as?: string;
  readonly passwordFile?: string;
  readonly json?: boolean;
}

/** Adds `store migrate`. */
export function addMigrateCommand(store: Command, context: CliContext): void {
  addCommand(store, "migrate", "make the store, or bring its schema up to date", EXAMPLES)
    .option(
      "--as <user>",
      "connect as this user of PostgreSQL, who may create schemas, and grant to the configured one",
    )
    .option("--password-file <file>", "the password of that user")
    .addOption(configOption())
    .addOption(jsonOption())
    .action(async (options: MigrateOptions): Promise<void> => {
      const config = asUser(loadConfig(configFile(options.config), context), options);
      const { place, changed } = await migrateStore(config.config, context.clock, config.grantTo);
      if (options.json) printLine(JSON.stringify({ store: place, changed }));
      else printLine(changed ? `the schema of ${place} is up to date now` : `the schema of ${place} was up to date`);
    });
}

/** The configuration with another user of the database, and the user that is to use the schema. */
function asUser(
  config: Config,
  { as: user, passwordFile }: MigrateOptions,
): { readonly config: Config; readonly grantTo: string | undefined } {
  const { address } = config.store;
  if (config.masterKeys.length === 0) {
    throw new UsageError(`${config.file} has no masterKey, and so no store. Make one with: openssl rand -base64 32`);
  }
  if (user === undefined) {
    if (passwordFile !== undefined) throw new UsageError("--password-file goes with --as.");
    return { config, grantTo: undefined };
  }
  if (address.engine !== "postgres") throw new UsageError("--as is for a store on PostgreSQL; a file needs no user.");
  const store = { ...config.store, address: { ...address, user, password: undefined, passwordFile } };
  return { config: { ...config, store }, grantTo: address.user };
}
