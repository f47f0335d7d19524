import { createReadStream, statSync } from "node:fs";
import type { Config } from "../../config/load.js";
import { unreadable } from "../../config/read-file.js";
import type { ImportOptions, ImportReport } from "../../directory/transfer/bulk.js";
import { readBulkLines } from "../../directory/transfer/bulk-lines.js";
import type { CliContext } from "../cli-context.js";
import { CommandError, EXIT } from "../errors.js";
import { actorOfCommand, onDirectory } from "./on-directory.js";
import { endProgress, showProgress } from "./progress.js";

/**
 * Imports a file of JSON Lines into the directory of a configuration.
 *
 * @param file `-` for standard input
 */
export async function importFile(
  file: string,
  config: Config,
  options: ImportOptions,
  world: CliContext,
): Promise<ImportReport> {
  const total = file === "-" ? undefined : sizeOf(file);
  const bytes: AsyncIterable<Uint8Array> = file === "-" ? world.stdin : createReadStream(file);
  // A service on the same machine has callers who wait; nobody waits for this.
  world.standBack?.();
  return onDirectory(config, world.clock, "make", async ({ directory, masterKeys }) => {
    const lines = readBulkLines(showProgress(buffers(bytes), total, process.stderr), masterKeys);
    try {
      return await directory.import(lines, options, actorOfCommand());
    } finally {
      endProgress(process.stderr);
    }
  });
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch (error) {
    throw new CommandError(`${file} ${unreadable(error)}.`, EXIT.usage);
  }
}

/** Standard input may have been told to give texts. */
async function* buffers(chunks: AsyncIterable<Uint8Array | string>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}

/** What an import did, for people. @param store the file that it went into */
export function formatImport(report: ImportReport, isDry: boolean, store: string): string {
  const kinds = ["instances", "users", "clients"] as const;
  const lines = kinds.map((kind) => {
    const { added, replaced, unchanged, removed } = report[kind];
    return `${kind.padEnd(10)} ${added} added, ${replaced} replaced, ${unchanged} unchanged, ${removed} removed`;
  });
  const head = isDry
    ? `a dry run, nothing was written into ${store}; an import would leave:`
    : `imported into ${store}`;
  return [head, ...lines].join("\n");
}
