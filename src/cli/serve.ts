import path from "node:path";
import type { Command } from "commander";
import { loadConfig } from "../config/load.js";
import { logWarnings } from "../observability/process-warnings.js";
import { DEVELOPMENT_FOLDER, prepareDevelopment } from "../server/development/folder.js";
import { exampleRequests } from "../server/development/requests.js";
import { type Only, type Running, serve } from "../server/serve.js";
import type { CliContext } from "./cli-context.js";
import { CommandError, EXIT } from "./errors.js";
import { outliveOutput, print } from "./output.js";
import { addCommand, configOption, jsonOption, onlyOption } from "./shared.js";

interface ServeOptions {
  readonly config?: string;
  readonly only?: Only;
  readonly json?: boolean;
}

/** Adds the command that serves until a signal ends it; without a configuration, as the newcomer's path has it. */
export function addServeCommand(root: Command, world: CliContext): void {
  addCommand(
    root,
    "serve",
    "serve; without a configuration: make one for development in ./data, and print requests to paste",
  )
    .addOption(configOption())
    .addOption(onlyOption("run one part alone"))
    .addOption(jsonOption("log JSON lines, whatever the configuration says; errors too, on standard error"))
    .action((options: ServeOptions) => serveCommand(options, world));
}

async function serveCommand(options: ServeOptions, world: CliContext): Promise<void> {
  outliveOutput();
  const context = { ...world, ...(options.json === true && { logFormat: "json" as const }) };
  if (options.config !== undefined) {
    const starting = serve(options.config, options.only, context);
    logWarnings(process, logOf(starting), world.clock);
    reloadOnSignal(starting);
    await endOnSignal(starting);
    return;
  }
  if (options.only !== undefined)
    throw new CommandError("--only needs a configuration: give --config FILE.", EXIT.usage);
  const { file, made } = prepareDevelopment(DEVELOPMENT_FOLDER);
  const starting = serve(file, undefined, context);
  logWarnings(process, logOf(starting), world.clock);
  const running = await endOnSignal(starting);
  const requests = await exampleRequests(loadConfig(file, world), running.addresses, world.clock());
  if (options.json) {
    print(JSON.stringify({ config: file, addresses: running.addresses, requests }));
    return;
  }
  print(`
This is for development: its keys lie in the clear in ${path.dirname(file)}/. ${made ? `Made ${file}.` : `Found ${file}.`}
Requests to paste into another terminal, in this folder; their tokens are good for an hour.
`);
  for (const { title, command } of requests) print(`# ${title}\n${command}\n`);
}

const logOf = (starting: Promise<Running>): Promise<Running["log"]> => starting.then(({ log }) => log);

/**
 * Reloads the configuration on SIGHUP; one that comes while the service starts is heeded once it has. Not so without a
 * configuration: there SIGHUP says that the newcomer's terminal is closed, and ends the process.
 */
function reloadOnSignal(starting: Promise<Running>): void {
  const reload = (): void => void starting.then((running) => running.reload()).catch(() => {});
  process.on("SIGHUP", reload);
  // Where it could not start, that is told already.
  starting.catch(() => process.off("SIGHUP", reload));
}

/**
 * Ends the service on the first SIGTERM or SIGINT, and the process on the second. Signals are heard from the beginning:
 * one that comes while the service starts ends it once it has.
 */
async function endOnSignal(starting: Promise<Running>): Promise<Running> {
  const signals = ["SIGTERM", "SIGINT"] as const;
  const unheed = (listener: () => void): void => {
    for (const signal of signals) process.off(signal, listener);
  };
  const end = (): void => {
    unheed(end);
    for (const signal of signals) process.once(signal, () => process.exit(EXIT.unavailable));
    // Where it could not start, that is told already.
    void starting.then((running) => running.stop().then(() => process.exit(EXIT.done))).catch(() => {});
  };
  for (const signal of signals) process.on(signal, end);
  try {
    return await starting;
  } catch (error) {
    unheed(end);
    throw error;
  }
}
