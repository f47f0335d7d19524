import { text } from "node:stream/consumers";
import { type Command, Option } from "commander";
import { loadConfig } from "../../config/load.js";
import type { Only } from "../../server/serve.js";
import { check, checkGateway, formatGatewayReport, formatReport } from "../check/check.js";
import type { CliContext } from "../cli-context.js";
import { CommandError, EXIT } from "../errors.js";
import { complain, print } from "../output.js";
import { addCommand, configFile, configOption, jsonOption, onlyOption, realmOption } from "../shared.js";
import { readTime } from "../time.js";
import { formatKeysDiff, type KeysDiffOptions, keysDiff } from "./keys-diff.js";
import { type MintOptions, mint } from "./mint.js";
import { formatVerdict, noVerdict, verdictToJson } from "./outcome.js";
import { DEFAULT_ADDRESS, type VerifyOptions, verify } from "./verify.js";

interface Shared {
  readonly config?: string;
  readonly json?: boolean;
}

/** Says which realms a configuration has, for whom it belongs to; empty for a running service, which tells nobody. */
function realmsIn(config: string | undefined, world: CliContext): string {
  if (config === undefined) return "";
  const names = loadConfig(config, world).realms.map((realm) => realm.name);
  return ` ${config} has: ${names.join(", ") || "none"}.`;
}

/** Adds the commands about tokens, and about the configuration that judges them. */
export function addTokenCommands(root: Command, world: CliContext): void {
  addCommand(root, "verify", "say whether a token is good: ask a running service, or offline with --config")
    .argument("<token>", "the token; - reads it from standard input")
    .addOption(realmOption())
    .option("-a, --address <address>", `a running service (default ${DEFAULT_ADDRESS})`)
    .addOption(configOption())
    .option("--explain", "say what each check found")
    .option(
      "--at <time>",
      "offline: judge the token at this time (RFC 3339, or seconds since 1970), with the keys and callers of now",
    )
    .option("--secret-key-file <file>", "the calling instance's secret key")
    .option("--client-id <id>", "the calling client's id")
    .option("--client-secret-file <file>", "the calling client's secret")
    .option("--tls", "ask over TLS, and trust the authorities that Node knows")
    .option("--ca-file <file>", "ask over TLS, and trust these authorities alone (PEM)")
    .option("--cert-file <file>", "ask over TLS, and show this certificate (PEM)")
    .option("--key-file <file>", "the certificate's private key (PEM)")
    .addOption(jsonOption())
    .action(async (given: string, options: VerifyOptions & Shared) => {
      const token = given === "-" ? (await text(world.stdin)).trim() : given;
      // Standard error is JSON alone with --json.
      const outcome = await verify(token, options, world, options.json ? () => {} : complain);
      if (outcome.kind === "failure") {
        const asked = options.config === undefined ? (options.address ?? DEFAULT_ADDRESS) : undefined;
        const { code, message, exitCode, details } = noVerdict(outcome, asked);
        const told = outcome.reason === "REALM_UNKNOWN" ? message + realmsIn(options.config, world) : message;
        throw new CommandError(options.json ? told : `no verdict: ${code}\n${told}`, exitCode, code, details);
      }
      const at = options.at === undefined ? undefined : readTime("--at", options.at);
      print(options.json ? JSON.stringify(verdictToJson(outcome)) : formatVerdict(outcome, at));
      process.exitCode = outcome.kind === "verified" ? EXIT.done : EXIT.negative;
    });

  addCommand(root, "mint", "sign a token with a development key")
    .addOption(realmOption())
    .addOption(configOption())
    .addOption(
      new Option(
        "--claim <name=value>",
        "add or replace a claim; a value that is JSON is taken as JSON; may be repeated",
      )
        .argParser(collect)
        .default([], "none"),
    )
    .option(
      "--expires <duration>",
      "how long the token lives (default: 1h, or the realm's maxLifetime where that is shorter)",
    )
    .option("--key-file <file>", "a private key in PEM (default: NAME.private.pem beside the realm's NAME.pem)")
    .option(
      "--secret-key-file <file>",
      "an instance's secret key, to make a token of that instance (default: the directory seed's first)",
    )
    .addOption(jsonOption())
    .action(async (options: MintOptions & Shared) => {
      const token = await mint(loadConfig(configFile(options.config), world), options, world.clock());
      print(options.json ? JSON.stringify({ token }) : token);
    });

  addCommand(root, "check", "validate a configuration, print what is in it, and warn of what is probably not meant")
    .addOption(configOption())
    .addOption(onlyOption("that of one part alone"))
    .addOption(jsonOption())
    .action(async ({ config, only, json }: Shared & { only?: Only }) => {
      const file = configFile(config);
      if (only === "http") {
        const report = checkGateway(file, world);
        print(json ? JSON.stringify(report) : formatGatewayReport(report));
        return;
      }
      const report = await check(file, world);
      print(json ? JSON.stringify(report) : formatReport(report));
      // What may pass by itself, like any other service that does not answer.
      if (report.warnings.some(({ check: name }) => name === "keys-unreachable")) process.exitCode = EXIT.unavailable;
    });
}

/** Adds `keys diff`. */
export function addKeysCommand(root: Command, world: CliContext): void {
  const keys = root.command("keys").description("the keys that verify a realm's tokens");
  addCommand(keys, "diff", "rehearse a rotation: which keys of a realm would disappear, and how much they are used")
    .addOption(realmOption())
    .requiredOption("--candidate <file|url>", "the JWK Set that is to be published")
    .option(
      "--location <url>",
      "which of several issuers' sets it replaces (default: the only one that the realm fetches)",
    )
    .addOption(configOption())
    .option("--metrics <address>", "the running service's metrics port (default: the configuration's)")
    .addOption(jsonOption())
    .action(async (options: KeysDiffOptions & Shared) => {
      const diff = await keysDiff(loadConfig(configFile(options.config), world), options);
      print(options.json ? JSON.stringify(diff) : formatKeysDiff(diff));
    });
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];
