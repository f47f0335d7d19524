import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { type Config, loadConfig } from "../config/load.js";
import { genericSettings } from "../config/realms.js";
import type { Directory } from "../directory/directory.js";
import type { RevokedToken } from "../directory/model.js";

import { Issuers } from "../keys/issuers.js";
import { printableList } from "../util/printable.js";
import { revocationDigest, revocationScope } from "../verifier/revocation.js";
import { addCommand, type CliContext, configOption, jsonOption } from "./command.js";
import { UsageError } from "./errors.js";
import { printLine } from "./output.js";
import { actorOfCommand, configFile, findRealm, onDirectory, readSecretFile, readTime } from "./resolve.js";

const EXAMPLES = [
  "token-verifier revoke --token token.txt",
  "token-verifier revoke --realm integuru --jti example-1 --until 2099-01-01T00:00:00Z",
];

interface RevokeOptions {
  readonly realm?: string;
  readonly jti?: string;
  readonly instance?: string;
  readonly issuer?: string;
  /** When the store may forget the revocation: RFC 3339, or seconds since 1970. */
  readonly until?: string;
}

/** Adds `revoke`. */
export function addRevokeCommand(root: Command, context: CliContext): void {
  addCommand(root, "revoke", "revoke a token, given as its jti in a realm or as the token itself", EXAMPLES)
    .option("-r, --realm <name>", "the realm")
    .option("--jti <jti>", "the token's jti")
    .option("--instance <id>", "the instance that signed the token, in a realm where instances sign")
    .option("--issuer <issuer>", "the token's iss, in a realm that admits several issuers")
    .option("--token <file>", "a file with the token; - reads standard input")
    .option("--until <time>", "when to forget the revocation: exp plus clockTolerance, or later (default: never)")
    .addOption(configOption())
    .addOption(jsonOption())
    .action(async (options: RevokeOptions & { token?: string; config?: string; json?: boolean }) => {
      const { token: file } = options;
      const config = loadConfig(configFile(options.config), context);
      const token = file === "-" ? (await text(context.stdin)).trim() : file && readSecretFile(file);
      const { token: revoked, until } = await revoke(config, token, options, context);
      const name = revoked.digest ?? `${revoked.realm} ${revoked.jti}`;
      const end = until === null ? "for good" : `until ${new Date(until * 1000).toISOString()}`;
      printLine(options.json ? JSON.stringify({ ...revoked, until }) : `revoked ${name} ${end}`);
    });
}

/** @returns what was revoked, and until when in seconds since 1970; null for good */
async function revoke(
  config: Config,
  token: string | undefined,
  options: RevokeOptions,
  context: CliContext,
): Promise<{ readonly token: RevokedToken; readonly until: number | null }> {
  const revoked = token === undefined ? byJti(config, options) : byDigest(token, options);
  const until = options.until === undefined ? undefined : Math.ceil(readTime("--until", options.until) / 1000);
  if (until !== undefined && until * 1000 <= context.clock()) {
    throw new UsageError(
      "--until is in the past, so the revocation would have no effect. Leave it out to revoke for good.",
    );
  }
  const command = { kind: "revoke" as const, token: revoked, ...(until === undefined ? {} : { until }) };
  await onDirectory(config, context.clock, "change", async ({ directory }) => {
    if (options.instance !== undefined && !(await hasInstance(directory, options.instance))) {
      throw new UsageError(`There is no instance ${options.instance} in the directory. Check the id.`);
    }
    await directory.apply([command], actorOfCommand());
  });
  return { token: revoked, until: until ?? null };
}

/** Whether the directory has an instance of this id. */
async function hasInstance(directory: Directory, id: string): Promise<boolean> {
  for await (const entry of directory.export()) {
    // An export lists all instances first.
    if (entry.kind !== "putInstance") return false;
    if (entry.id === id) return true;
  }
  return false;
}

function byDigest(token: string, { jti, instance, issuer }: RevokeOptions): RevokedToken {
  if (jti !== undefined || instance !== undefined || issuer !== undefined) {
    throw new UsageError(
      "Give either --token, or --realm and --jti: a token already names its jti, its issuer and its instance.",
    );
  }
  // The digest leaves the signature out: of a text that is no token, it would be that of something else.
  if (!/^[\w-]+\.[\w-]*\.[\w-]*$/.test(token)) {
    throw new UsageError("--token holds no token. Give three parts in base64url, separated by dots.");
  }
  return { digest: revocationDigest(token) };
}

function byJti(config: Config, { realm: name, jti, instance, issuer }: RevokeOptions): RevokedToken {
  if (name === undefined || jti === undefined) {
    throw new UsageError("Give --realm NAME and --jti JTI, or --token FILE.");
  }
  const configured = findRealm(config, name);
  const { keysOf, vendor } = configured;
  if ((keysOf === "instance") === (instance !== undefined)) {
    const { issuer: issuers = null } = genericSettings(configured);
    const scope = instance ?? (vendor === undefined ? issuerScope(name, issuers, issuer) : undefined);
    if (vendor !== undefined && issuer !== undefined) {
      throw new UsageError(`The realm ${name} has a preset, and its tokens one issuer. Leave --issuer out.`);
    }
    return { realm: scope === undefined ? name : revocationScope(name, scope), jti };
  }
  throw new UsageError(
    instance === undefined
      ? `In the realm ${name} two instances may use the same jti. Give --instance ID too.`
      : `Instances do not sign the tokens of the realm ${name}. Leave --instance out.`,
  );
}

/**
 * The issuer within which a `jti` of a realm without a preset is unique; undefined if the realm admits one only.
 *
 * @param issuers those of the realm; null if it checks none
 */
function issuerScope(realm: string, issuers: readonly string[] | null, issuer: string | undefined): string | undefined {
  const admitted = issuers && new Issuers(issuers);
  const those = issuers === null ? "any issuer" : printableList(issuers);
  if (issuer === undefined) {
    if (admitted?.areSeveral === false) return undefined;
    throw new UsageError(
      `The realm ${realm} admits ${those}, and two issuers may use the same jti. Give --issuer too: the iss of the token, or an empty text if it has none.`,
    );
  }
  if (admitted?.includes(issuer) === false) {
    throw new UsageError(
      `The realm ${realm} admits no tokens of this issuer. Give the token's iss; it admits ${those}.`,
    );
  }
  return admitted?.areSeveral === false ? undefined : issuer;
}
