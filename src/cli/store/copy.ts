import { resolve } from "node:path";
import type { Command } from "commander";
import { type Config, loadConfig } from "../../config/load.js";
import { readText } from "../../config/read-file.js";
import { type ConfiguredAddress, readStoreAddress } from "../../config/store-address.js";
import { copyStore } from "../../directory/transfer/copy.js";
import { isStoreMissing, openDirectory, storePlace } from "../../server/store.js";
import { formatIssue, type Issue } from "../../util/issues.js";
import { addCommand, type CliContext, configOption, jsonOption } from "../command.js";
import { UsageError } from "../errors.js";
import { printLine } from "../output.js";
import { configFile } from "../resolve.js";

const DESCRIPTION = "copy everything into an empty store, and mark the old one as moved";
const EXAMPLES = ["token-verifier store copy sqlite:data/absent.db sqlite:data/moved.db   # exit code 2"];

/** Adds `store copy`. */
export function addCopyCommand(store: Command, context: CliContext): void {
  addCommand(store, "copy", DESCRIPTION, EXAMPLES)
    .argument("<from>", "the store as store.url has it; nothing can be changed in it during the copy")
    .argument("<to>", "the new store in the same form; the configured store is reached with all of its settings")
    .addOption(configOption())
    .addOption(jsonOption())
    .action(async (from: string, to: string, options: { config?: string; json?: boolean }): Promise<void> => {
      const config = loadConfig(configFile(options.config), context);
      if (config.masterKeys.length === 0) {
        throw new UsageError(
          `${config.file} has no masterKey, and so no store. Name the key that both stores open under.`,
        );
      }
      const [source, target] = [at(from, config), at(to, config)];
      if (isStoreMissing(source))
        throw new UsageError(`There is no store at ${storePlace(source)}. Check the first argument.`);
      const rows = await copyBetween(source, target, context);
      const [old, made] = [storePlace(source), storePlace(target)];
      if (options.json) printLine(JSON.stringify({ from: old, to: made, rows }));
      else {
        const { instances, users, clients, revocations, audit } = rows;
        printLine(
          `copied ${old} to ${made}: ${instances} instances, ${users} users, ${clients} clients, ${revocations} revocations, ${audit} rows of the audit`,
        );
        printLine(`Set store.url to the new store everywhere: whatever has the old one open serves nothing any more.`);
      }
    });
}

async function copyBetween(source: Config, target: Config, { clock }: CliContext): ReturnType<typeof copyStore> {
  const from = await openDirectory(source, clock);
  try {
    const to = await openDirectory(target, clock);
    try {
      return await copyStore(from.store, to.store);
    } finally {
      await to.directory.close();
    }
  } finally {
    await from.directory.close();
  }
}

/** The configuration with its store at an address. @throws {UsageError} */
function at(url: string, config: Config): Config {
  const address = isConfigured(url, config) ? config.store.address : readAddress(url, config);
  return { ...config, store: { ...config.store, address } };
}

/** True for the database that the configuration names: it may be reached under a password or certificates of its own. */
function isConfigured(url: string, config: Config): boolean {
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url)) return false;
  const { hostname, port, pathname, username } = new URL(url);
  return username === "" && `${hostname}:${port || 5432}${pathname}` === storePlace(config);
}

function readAddress(url: string, config: Config): ConfiguredAddress {
  const issues: Issue[] = [];
  const files = { resolve: (file: string) => resolve(file), readFile: readText, issues };
  const address = readStoreAddress({ url, staleFor: config.store.staleFor }, files);
  const [issue] = issues;
  if (address !== undefined && issue === undefined) return address;
  throw new UsageError(
    `The address of a store ${issue === undefined ? "is wrong" : formatIssue({ ...issue, place: "" })}.`,
  );
}
