import { existsSync } from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { Command, CommanderError, Option } from "commander";
import { loadConfig, loadGatewayConfig } from "../config/load.js";
import { certificateWarnings } from "./certificates.js";
import { describeConfig, formatGatewayReport, formatReport } from "./check.js";
import { readSeedFile } from "./core.js";
import { DEVELOPMENT_FILE, exampleRequests, prepareDevelopment } from "./development.js";
import { addDirectoryCommands } from "./directory-commands.js";
import { CommandError, EXIT, endOf } from "./errors.js";
import { type MintOptions, mint } from "./mint.js";
import { type Only, type Running, serve } from "./serve.js";
import { exitCodeOf, formatOutcome, outcomeToJson, type VerifyOptions, verify } from "./verify.js";
import { version } from "./version.js";
import type { World } from "./world.js";

/** The folder that `serve` makes for itself where it is given no configuration. */
const DEVELOPMENT_FOLDER = "data";

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (line: string): void => void process.stderr.write(`${line}\n`);

/** Runs a command line. Sets the process's exit code: 0 done, 1 a negative verdict, 2 usage or configuration, 3 unavailable. */
export async function run(argv: readonly string[], world: World): Promise<void> {
  try {
    await program(world).parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
      return;
    }
    const { message, exitCode } = endOf(error);
    complain(message);
    process.exitCode = exitCode;
  }
}

function program(world: World): Command {
  const root = new Command("token-verifier")
    .description("Answers whether a token is good, whose it is, and if not, why.")
    .version(version(), "-V, --version", "print the version")
    .exitOverride()
    .configureHelp({ helpWidth: 100 })
    .showSuggestionAfterError();
  const json = (): Option => new Option("--json", "print JSON");
  const config = (): Option => new Option("-c, --config <file>", "the configuration");

  root
    .command("serve")
    .description("serve; without a configuration: make one for development in ./data, and print requests to paste")
    .addOption(config())
    .addOption(new Option("--only <part>", "run one part alone").choices(["grpc", "http"]))
    .addOption(json())
    .action((options: { config?: string; only?: Only; json?: boolean }) => serveCommand(options, world));

  root
    .command("verify")
    .description("say whether a token is good: ask a running service, or offline with --config")
    .argument("<token>", "the token; - reads it from standard input")
    .requiredOption("-r, --realm <name>", "the realm")
    .option("-a, --address <address>", "a running service (default 127.0.0.1:50051)")
    .addOption(config())
    .option("--explain", "say what each check found")
    .option("--at <time>", "offline: verify at this time (RFC 3339, or seconds since 1970)")
    .option("--secret-key-file <file>", "the calling instance's secret key")
    .option("--client-id <id>", "the calling client's id")
    .option("--client-secret-file <file>", "the calling client's secret")
    .option("--tls", "ask over TLS, and trust the authorities that Node knows")
    .option("--ca-file <file>", "ask over TLS, and trust these authorities alone (PEM)")
    .option("--cert-file <file>", "ask over TLS, and show this certificate (PEM)")
    .option("--key-file <file>", "the certificate's private key (PEM)")
    .addOption(json())
    .addHelpText("after", VERIFY_EXAMPLES)
    .action(async (token: string, options: VerifyOptions & { json?: boolean }) => {
      const given = token === "-" ? (await text(world.stdin)).trim() : token;
      const outcome = await verify(given, options, world.env);
      print(options.json ? JSON.stringify(outcomeToJson(outcome)) : formatOutcome(outcome));
      process.exitCode = exitCodeOf(outcome);
    });

  root
    .command("mint")
    .description("sign a token with a development key")
    .requiredOption("-r, --realm <name>", "the realm")
    .addOption(config())
    .option("--claim <name=value>", "add or replace a claim; a value that is JSON is taken as JSON", collect, [])
    .option("--expires <duration>", "how long the token lives", "1h")
    .option("--key-file <file>", "a private key in PEM (default: NAME.private.pem beside the realm's NAME.pem)")
    .option("--secret-key-file <file>", "an instance's secret key (default: that of the directory seed's first)")
    .addOption(json())
    .action(async (options: MintOptions & { config?: string; json?: boolean }) => {
      const token = await mint(loadConfig(configFile(options.config), world), options, world.clock());
      print(options.json ? JSON.stringify({ token }) : token);
    });

  root
    .command("check")
    .description("validate a configuration and print what is in it")
    .addOption(config())
    .addOption(new Option("--only <part>", "that of one part alone").choices(["grpc", "http"]))
    .addOption(json())
    .action((options: { config?: string; only?: Only; json?: boolean }) => {
      if (options.only === "http") {
        const loaded = loadGatewayConfig(configFile(options.config), world);
        const { file, upstream, http, faces } = loaded;
        const report = {
          file,
          upstream: upstream.address,
          http: http.address,
          faces: faces.map(({ path, realm }) => ({ path, realm })),
          warnings: certificateWarnings(loaded, world.clock()),
        };
        print(options.json ? JSON.stringify(report) : formatGatewayReport(report));
        return;
      }
      const loaded = loadConfig(configFile(options.config), world);
      if (loaded.directory !== undefined) readSeedFile(loaded.directory);
      const report = describeConfig(loaded, world.clock());
      print(options.json ? JSON.stringify(report) : formatReport(report));
    });

  addDirectoryCommands(root, { world, configFile, print, json, config });
  return root;
}

const VERIFY_EXAMPLES = `
Examples:
  token-verifier verify --realm partner eyJhbGciOi...
  token-verifier mint --realm integuru | token-verifier verify --realm integuru -
  token-verifier verify --config verifier.yaml --realm partner --explain --at 2026-01-31T12:00:00Z - < token.txt`;

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** The configuration that was asked for, or the development one. */
function configFile(given: string | undefined): string {
  if (given !== undefined) return given;
  const file = path.join(DEVELOPMENT_FOLDER, DEVELOPMENT_FILE);
  if (existsSync(file)) return file;
  throw new CommandError(
    "Give a configuration: --config FILE. (`token-verifier serve` makes one for development.)",
    EXIT.usage,
  );
}

async function serveCommand(options: { config?: string; only?: Only; json?: boolean }, world: World): Promise<void> {
  const context = { ...world, ...(options.json === true && { logFormat: "json" as const }) };
  if (options.config !== undefined) {
    const starting = serve(options.config, options.only, context);
    reloadOnSignal(starting);
    await endOnSignal(starting);
    return;
  }
  if (options.only !== undefined)
    throw new CommandError("--only needs a configuration: give --config FILE.", EXIT.usage);
  const { file, made } = prepareDevelopment(DEVELOPMENT_FOLDER);
  const running = await endOnSignal(serve(file, undefined, context));
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
