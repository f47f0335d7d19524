import path from "node:path";
import type { Command } from "commander";
import { loadConfig } from "../config/load.js";
import { logWarnings } from "../observability/logger.js";
import { DEVELOPMENT_FOLDER, prepareDevelopment } from "../server/development/folder.js";
import { exampleRequests } from "../server/development/requests.js";
import { type Only, type Running, serve } from "../server/serve.js";
import { StartEnded } from "../server/start.js";
import { addCommand, type CliContext, configOption, jsonOption, onlyOption } from "./command.js";
import { EXIT, UsageError } from "./errors.js";
import { printLine, surviveUnwritable } from "./output.js";

const EXAMPLES = [
  "token-verifier serve",
  "token-verifier serve --config data/verifier.yaml",
  "token-verifier serve --config data/verifier.yaml --only grpc --json",
];

interface ServeOptions {
  readonly config?: string;
  readonly only?: Only;
  readonly json?: boolean;
}

/** Adds `serve`, which runs until a signal ends it. */
export function addServeCommand(root: Command, context: CliContext): void {
  const description =
    "run the service; without --config, make a development setup in ./data and print requests to paste";
  addCommand(root, "serve", description, EXAMPLES)
    .addOption(configOption())
    .addOption(onlyOption("run only one part"))
    .addOption(jsonOption("log JSON lines, whatever the configuration says; errors as JSON on standard error"))
    .action((options: ServeOptions) => serveCommand(options, context));
}

async function serveCommand(options: ServeOptions, context: CliContext): Promise<void> {
  surviveUnwritable();
  const ending = new AbortController();
  const serving = {
    ...context,
    signal: ending.signal,
    ...(options.json === true && { logFormat: "json" as const }),
  };
  if (options.config !== undefined) {
    const starting = serve(options.config, options.only, serving);
    logWarnings(process, logOf(starting), context.clock);
    reloadOnSignal(starting);
    await stopOnSignal(starting, ending);
    return;
  }
  if (options.only !== undefined) throw new UsageError("--only needs a configuration. Give --config FILE.");
  const { file, made } = prepareDevelopment(DEVELOPMENT_FOLDER);
  const starting = serve(file, undefined, serving);
  logWarnings(process, logOf(starting), context.clock);
  const { addresses } = await stopOnSignal(starting, ending);
  const requests = await exampleRequests(loadConfig(file, context), addresses, context.clock());
  if (options.json) {
    printLine(JSON.stringify({ config: file, addresses, requests }));
    return;
  }
  printLine(`
This setup is for development only: its keys are in the clear in ${path.dirname(file)}/. ${made ? `Made ${file}.` : `Found ${file}.`}
Requests to paste into another terminal, in this folder; their tokens are good for one hour.
`);
  for (const { title, command } of requests) printLine(`# ${title}\n${command}\n`);
}

const logOf = (starting: Promise<Running>): Promise<Running["log"]> => starting.then(({ log }) => log);

/**
 * Reloads the configuration on SIGHUP; a signal during the start counts once the start is over. Only for a service with a
 * configuration: without one, SIGHUP means that the newcomer's terminal was closed, and ends the process.
 */
function reloadOnSignal(starting: Promise<Running>): void {
  const reload = (): void => void starting.then((running) => running.reload()).catch(() => {});
  process.on("SIGHUP", reload);
  // The command reports a failed start itself.
  starting.catch(() => process.off("SIGHUP", reload));
}

/**
 * Drains and stops the service on the first SIGTERM or SIGINT, and ends the process at once on the second. A signal
 * during the start counts once the start is over, or ends its wait for the store.
 */
async function stopOnSignal(starting: Promise<Running>, ending: AbortController): Promise<Running> {
  const signals = ["SIGTERM", "SIGINT"] as const;
  const stopListening = (): void => {
    for (const signal of signals) process.off(signal, stop);
  };
  const stop = (): void => {
    stopListening();
    for (const signal of signals) process.once(signal, () => process.exit(EXIT.unavailable));
    ending.abort();
    // The command reports a failed start itself.
    void starting.then((running) => running.stop().then(() => process.exit(EXIT.done))).catch(() => {});
  };
  for (const signal of signals) process.on(signal, stop);
  try {
    return await starting;
  } catch (error) {
    stopListening();
    if (error instanceof StartEnded) process.exit(EXIT.done);
    throw error;
  }
}
