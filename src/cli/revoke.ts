import type { Command } from "commander";
import { type Config, loadConfig } from "../config/load.js";
import { revocableRealmsOf } from "../server/realms.js";
import {
  formatTime,
  type MadeRevocation,
  makeRevocation,
  type RevocationRequest,
} from "../verifier/revocation-request.js";
import { addCommand, type CliContext } from "./command.js";
import { UsageError } from "./errors.js";
import { checkLocal } from "./operators.js";
import { printLine } from "./output.js";
import { actorOfCommand, configFile, onDirectory, readTime } from "./resolve.js";
import { revokeOnService } from "./revoke-service.js";
import {
  addSelectorOptions,
  asUsage,
  describeSelector,
  readSelector,
  type SelectorOptions,
} from "./selector-options.js";

const EXAMPLES = [
  "token-verifier revoke --realm integuru --token token.txt",
  "token-verifier revoke --realm integuru --jti example-1 --exp 2099-01-01T00:00:00Z",
  "token-verifier revoke --realm integuru --subject a1b2c3d4 --comment 'laptop stolen'",
  "token-verifier revoke --realm integuru --all --issued-before 2026-01-31T12:00:00Z",
];

interface RevokeOptions extends SelectorOptions {
  readonly exp?: string;
  readonly issuedBefore?: string;
  readonly ban?: true;
  readonly comment?: string;
  readonly wait?: string;
}

/** Adds `revoke`. */
export function addRevokeCommand(root: Command, context: CliContext): void {
  addSelectorOptions(addCommand(root, "revoke", "revoke tokens, although they verify", EXAMPLES))
    .option("--exp <time>", "when the token of --jti expires, if you know: the revocation is forgotten after that")
    .option("--issued-before <time>", "revoke tokens issued until then (default: until now)")
    .option("--ban", "revoke tokens whenever they are issued, until unrevoke")
    .option("--wait <duration>", "with --admin: wait so long at most until every replica has it in force")
    .action(async (options: RevokeOptions) => {
      if (options.admin !== undefined) return revokeOnService(await requestOf(options, context), options, context);
      checkLocal(options);
      if (options.wait !== undefined) throw new UsageError("--wait asks a running service. Give --admin with it.");
      const config = loadConfig(configFile(options.config), context);
      const request = await requestOf(options, context);
      const made = asUsage(() => makeRevocation(request, revocableRealmsOf(config.realms), context.clock()));
      await carryOut(config, made, options.comment, context);
      printLine(options.json ? JSON.stringify(toJson(made)) : describe(made));
    });
}

/** What the options ask to revoke. */
const requestOf = async (options: RevokeOptions, context: CliContext): Promise<RevocationRequest> => ({
  ...(await readSelector(options, context)),
  exp: secondsOf("--exp", options.exp),
  issuedBefore: secondsOf("--issued-before", options.issuedBefore),
  ban: options.ban,
});

const secondsOf = (option: string, time: string | undefined): number | undefined =>
  time === undefined ? undefined : readTime(option, time) / 1000;

async function carryOut(
  config: Config,
  { revocation }: MadeRevocation,
  comment: string | undefined,
  { clock }: CliContext,
): Promise<void> {
  const { kind, value, instance } = revocation.selector;
  const named = kind === "instance" ? value : instance;
  await onDirectory(config, clock, "change", async ({ directory }) => {
    if (named !== undefined && (await directory.operators.instance(named)) === null) {
      throw new UsageError(`There is no instance ${named} in the directory. Check the id.`);
    }
    await directory.apply([{ kind: "revoke", revocations: [revocation], comment: comment ?? "" }], actorOfCommand());
  });
}

const timeOrNull = (seconds: number | null): string | null => (seconds === null ? null : formatTime(seconds));

const toJson = ({ revocation: { selector, issuedBefore, exp }, acceptedFrom }: MadeRevocation): object => ({
  ...selector,
  issuedBefore: timeOrNull(issuedBefore),
  exp: timeOrNull(exp),
  acceptedFrom: timeOrNull(acceptedFrom),
});

function describe({ revocation: { selector, issuedBefore, exp }, acceptedFrom }: MadeRevocation): string {
  const what = describeSelector(selector);
  if (issuedBefore !== null && acceptedFrom !== null) {
    return `revoked ${what}, issued until ${formatTime(issuedBefore)}; tokens issued from ${formatTime(acceptedFrom)} on are accepted`;
  }
  if (exp !== null) return `revoked ${what}, until it expires at ${formatTime(exp)}`;
  return `revoked ${what}, until it is taken back with unrevoke`;
}
