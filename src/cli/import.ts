import { createReadStream, statSync } from "node:fs";
import type { Command } from "commander";
import type { ImportDirectoryRequest } from "../../gen/tokenverifier/admin/v1/directory_service.js";
import { type Config, loadConfig } from "../config/load.js";
import { unreadable } from "../config/read-file.js";
import type { ImportCounts, ImportOptions, ImportReport } from "../directory/transfer/import.js";
import { readJsonLines } from "../directory/transfer/json-lines.js";
import { storePlace } from "../server/store.js";
import { addCommand, type CliContext } from "./command.js";
import { UsageError } from "./errors.js";
import { addOperatorOptions, checkLocal, drawRequestId, type OperatorOptions, withOperations } from "./operators.js";
import { printLine } from "./output.js";
import { actorOfCommand, configFile, onDirectory } from "./resolve.js";

const EXAMPLES = [
  "token-verifier import directory.jsonl --dry-run --prune",
  "token-verifier export | token-verifier import - --json",
];

/** Adds `import`. */
export function addImportCommand(root: Command, context: CliContext): void {
  const description =
    "load instances, users, clients and revocations from JSON Lines into the directory, all or nothing";
  addOperatorOptions(
    addCommand(root, "import", description, EXAMPLES)
      .argument("<file>", "the file; - reads standard input")
      .option("--dry-run", "print what the import would change, and change nothing")
      .option("--prune", "remove entries that are not in the file; revocations stay")
      .option("--from-other-store", "take an export of another store under the same master key"),
  ).action(async (file: string, options: OperatorOptions & ImportOptions) => {
    const { dryRun = false, prune = false, fromOtherStore = false, admin } = options;
    if (admin !== undefined) {
      const report = await sendFile(file, { dryRun, prune, fromOtherStore }, options, context);
      printLine(options.json ? JSON.stringify({ dryRun, admin, ...report }) : formatImport(report, dryRun, admin));
      return;
    }
    checkLocal(options);
    const config = loadConfig(configFile(options.config), context);
    const report = await importFile(file, config, { dryRun, prune, fromOtherStore }, context);
    const store = storePlace(config);
    printLine(options.json ? JSON.stringify({ dryRun, store, ...report }) : formatImport(report, dryRun, store));
  });
}

/** Imports a file of JSON Lines into a running service. @param file `-` for standard input */
function sendFile(
  file: string,
  { dryRun = false, prune = false, fromOtherStore = false }: ImportOptions,
  options: OperatorOptions,
  context: CliContext,
): Promise<ImportReport> {
  const { bytes, total } = openFile(file, context);
  async function* parts(): AsyncGenerator<ImportDirectoryRequest> {
    yield { part: { $case: "options", value: { requestId: drawRequestId(), prune, dryRun, fromOtherStore } } };
    for await (const lines of showProgress(buffers(bytes), total, process.stderr)) {
      yield { part: { $case: "lines", value: Buffer.from(lines) } };
    }
  }
  return withOperations(options, context, "change", async (on) => {
    try {
      const { instances, users, clients, revocations } = await on.importDirectory(parts());
      return {
        instances: countsOf(instances),
        users: countsOf(users),
        clients: countsOf(clients),
        ...(revocations && { revocations: countsOf(revocations) }),
      };
    } finally {
      clearProgress(process.stderr);
    }
  });
}

const countsOf = ({ added, replaced, unchanged, removed } = NO_COUNTS): ImportCounts => ({
  added: Number(added),
  replaced: Number(replaced),
  unchanged: Number(unchanged),
  removed: Number(removed),
});

const NO_COUNTS = { added: 0n, replaced: 0n, unchanged: 0n, removed: 0n };

interface OpenFile {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Undefined for standard input. */
  readonly total: number | undefined;
}

/** Opens a file of JSON Lines. @param file `-` for standard input */
const openFile = (file: string, { stdin }: CliContext): OpenFile =>
  file === "-" ? { bytes: stdin, total: undefined } : { total: sizeOf(file), bytes: createReadStream(file) };

/** Imports a file of JSON Lines. @param file `-` for standard input */
async function importFile(
  file: string,
  config: Config,
  options: ImportOptions,
  context: CliContext,
): Promise<ImportReport> {
  const { bytes, total } = openFile(file, context);
  // A service on the same machine has callers waiting; an import can take its time.
  context.lowerPriority?.();
  return onDirectory(config, context.clock, "make", async ({ directory, masterKeys }) => {
    const lines = readJsonLines(showProgress(buffers(bytes), total, process.stderr), masterKeys);
    try {
      return await directory.import(lines, options, actorOfCommand());
    } finally {
      clearProgress(process.stderr);
    }
  });
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch (error) {
    throw new UsageError(`${file} ${unreadable(error)}.`);
  }
}

/** Chunks as bytes: standard input yields strings if it has an encoding. */
async function* buffers(chunks: AsyncIterable<Uint8Array | string>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}

/** An import's report as text. @param store the file that it went into */
function formatImport(report: ImportReport, isDry: boolean, store: string): string {
  const kinds = ["instances", "users", "clients", "revocations"] as const;
  const lines = kinds.flatMap((kind) => {
    const counts = report[kind];
    if (counts === undefined) return [];
    const { added, replaced, unchanged, removed } = counts;
    return `${kind.padEnd(report.revocations === undefined ? 10 : 11)} ${added} added, ${replaced} replaced, ${unchanged} unchanged, ${removed} removed`;
  });
  const head = isDry ? `dry run: nothing was written to ${store}; an import would make:` : `imported into ${store}`;
  return [head, ...lines].join("\n");
}

/** Where progress is shown. */
interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): boolean;
}

/** Characters in the bar. */
const WIDTH = 30;
/** Milliseconds between two lines if the output is no terminal; shorter work prints none. */
const LINE_INTERVAL = 5_000;
/** Milliseconds between two states of the bar on a terminal. */
const BAR_INTERVAL = 100;

/**
 * Passes bytes through and shows how many: a bar on a terminal, else a line every five seconds. The bar stays while the
 * store works on the last of them, until {@link clearProgress}.
 *
 * @param total bytes to expect, if known
 */
async function* showProgress(
  bytes: AsyncIterable<Uint8Array>,
  total: number | undefined,
  output: ProgressOutput,
): AsyncGenerator<Uint8Array> {
  const isTerminal = output.isTTY === true;
  const interval = isTerminal ? BAR_INTERVAL : LINE_INTERVAL;
  let passed = 0;
  let shownAt = performance.now();
  for await (const chunk of bytes) {
    yield chunk;
    passed += chunk.length;
    if (performance.now() - shownAt < interval) continue;
    shownAt = performance.now();
    output.write(isTerminal ? `\r${bar(passed, total)}` : `${amount(passed, total)}\n`);
  }
  if (isTerminal) output.write(`\r${bar(passed, total)}; working on the store`);
}

/** Clears the bar, before anything else is printed. */
function clearProgress(output: ProgressOutput): void {
  if (output.isTTY === true) output.write("\r\u001b[K");
}

function amount(passed: number, total: number | undefined): string {
  const read = `read ${(passed / 1_048_576).toFixed(1)} MiB`;
  return total === undefined || total === 0 ? read : `${read}, ${Math.floor((passed / total) * 100)} %`;
}

function bar(passed: number, total: number | undefined): string {
  if (total === undefined || total === 0) return amount(passed, total);
  const filled = Math.min(WIDTH, Math.round((passed / total) * WIDTH));
  return `[${"#".repeat(filled)}${" ".repeat(WIDTH - filled)}] ${amount(passed, total)}`;
}
