import { createPrivateKey, type KeyObject } from "node:crypto";
import { type Command, Option } from "commander";
import { type Config, loadConfig } from "../config/load.js";
import type { ConfiguredRealm } from "../config/realms.js";
import { type AlgorithmName, listAlgorithms, namesOf } from "../jws/algorithms.js";
import { readJson } from "../jws/json.js";
import {
  defaultLife,
  matchingKey,
  missingClaims,
  type SigningKey,
  sampleClaims,
  signingKey,
  signToken,
  withClaims,
} from "../server/development/tokens.js";
import { directoryValues, PLACEHOLDERS } from "../server/development/values.js";
import { Secret } from "../util/secret.js";
import { parseDuration } from "../util/units.js";
import { addCommand, type CliContext, configOption, jsonOption, realmOption } from "./command.js";
import { UsageError } from "./errors.js";
import { printLine } from "./output.js";
import { configFile, findRealm, readNamedFile, readSecretFile } from "./resolve.js";

const EXAMPLES = [
  "token-verifier mint --realm integuru > token.txt",
  "token-verifier mint --realm fiserv --expires 5m --claim jti=example-1 --claim 'roles=[\"admin\"]'",
];

interface MintOptions {
  readonly realm: string;
  /** Claims as `name=value`; a value that parses as JSON is used as JSON, any other as a string. */
  readonly claim: readonly string[];
  /** The token's lifetime, as the configuration writes durations. */
  readonly expires?: string;
  /** A name of an algorithm. */
  readonly alg?: string;
  readonly keyFile?: string;
  readonly secretKeyFile?: string;
}

/** Adds `mint`. */
export function addMintCommand(root: Command, context: CliContext): void {
  addCommand(root, "mint", "sign a token with a development key", EXAMPLES)
    .addOption(realmOption())
    .addOption(configOption())
    .addOption(
      new Option(
        "--claim <name=value>",
        "add or replace a claim, by name or JSON Pointer; a value that is JSON is used as JSON; repeatable",
      )
        .argParser((value: string, before: readonly string[]) => [...before, value])
        .default([], "none"),
    )
    .option("--expires <duration>", "the token's lifetime (default: 1h, or the realm's maxLifetime if shorter)")
    .option("--alg <name>", "the algorithm, for a key that has several (default: the first in the realm's list)")
    .option("--key-file <file>", "a private key in PEM (default: NAME.private.pem beside the realm's NAME.pem)")
    .option(
      "--secret-key-file <file>",
      "the secret key of the instance that signs (default: the first in the directory seed)",
    )
    .addOption(jsonOption())
    .action(async (options: MintOptions & { config?: string; json?: boolean }) => {
      const token = await mint(loadConfig(configFile(options.config), context), options, context.clock());
      printLine(options.json ? JSON.stringify({ token }) : token);
    });
}

/**
 * Makes a token for development: the claims of the vendor's sample, or those that the realm requires, and what
 * `--claim` adds or replaces. Its `typ` and lifetime are those that the realm accepts.
 *
 * @param now milliseconds since 1970
 * @throws {UsageError} if there is no such realm, no key to sign with, or no value for a claim that the realm requires
 */
export async function mint(config: Config, options: MintOptions, now: number): Promise<string> {
  const realm = findRealm(config, options.realm);
  const lifetime = options.expires === undefined ? defaultLife(realm) : parseDuration(options.expires);
  if (lifetime === undefined) throw new UsageError("--expires must be a duration such as 10m or 1h.");
  const secretKey = instanceKey(realm, options);
  const values = { ...(await directoryValues(config, secretKey, () => now)), now: Math.floor(now / 1000) };
  const given = options.claim.map(parseClaim);
  const sample = sampleClaims(realm, values, Object.fromEntries(given));
  const claims = withClaims({ ...sample, exp: values.now + lifetime / 1000 }, given);
  checkClaims(realm, claims);
  const unknown = Object.entries(claims).find(([, value]) => value === PLACEHOLDERS.instanceId);
  if (secretKey !== undefined && unknown !== undefined) {
    throw new UsageError(
      `No instance in the directory has the key in ${options.secretKeyFile}. Name its instance with --claim ${unknown[0]}=ID.`,
    );
  }
  return signToken(realm, claims, keyToSign(realm, values.secretKey, options));
}

/** The secret key of `--secret-key-file`, in a realm where instances sign; undefined if the file is empty. */
function instanceKey({ keysOf }: ConfiguredRealm, { secretKeyFile }: MintOptions): Secret | undefined {
  if (keysOf !== "instance" || secretKeyFile === undefined) return undefined;
  const text = readSecretFile(secretKeyFile);
  return text === "" ? undefined : new Secret(text);
}

function parseClaim(text: string): [string, unknown] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`--claim ${text}: write name=value.`);
  const value = text.slice(at + 1);
  const json = readJson(Buffer.from(value));
  return [text.slice(0, at), json === undefined ? value : json];
}

/** Checks that a token has every claim that the realm requires. @throws {UsageError} which lists the missing ones */
function checkClaims(realm: ConfiguredRealm, claims: Readonly<Record<string, unknown>>): void {
  const missing = missingClaims(realm, claims);
  if (missing.length === 0) return;
  const options = missing.map((name) => `--claim ${name}=VALUE`).join(" ");
  throw new UsageError(`The realm ${realm.name} requires claims that mint has no default value for. Add ${options}.`);
}

function keyToSign(realm: ConfiguredRealm, secretKey: string, { keyFile, alg }: MintOptions): SigningKey {
  const byInstance = realm.keysOf === "instance";
  const wanted = alg === undefined ? undefined : algorithmNamed(realm, alg);
  const found =
    keyFile === undefined || byInstance
      ? signingKey(realm, secretKey, wanted)
      : matchingKey(realm, readPrivateKey(keyFile), wanted);
  if (found !== undefined) return found;
  if (byInstance) throw new UsageError("Give the instance's secret key with --secret-key-file FILE.");
  const of = wanted === undefined ? "" : ` for ${wanted}`;
  throw new UsageError(
    keyFile === undefined
      ? `There is no private key for the realm ${realm.name}${of}. Give one with --key-file FILE.`
      : `The key in ${keyFile} belongs to no key of the realm ${realm.name}${of}${hint(realm)}.`,
  );
}

/** @throws {UsageError} if the realm does not take the algorithm */
function algorithmNamed({ name, algorithms }: ConfiguredRealm, alg: string): AlgorithmName {
  const found = algorithms.flatMap(namesOf).find((one) => one === alg);
  if (found !== undefined) return found;
  throw new UsageError(`--alg ${alg}: the realm ${name} takes ${listAlgorithms(algorithms)}.`);
}

/** What to give instead: `mint` knows only the keys in the configuration, and fetches none. */
const hint = ({ keys, remotes }: ConfiguredRealm): string =>
  remotes.length > 0 && keys.length === 0
    ? ": its keys are fetched from the issuer, and mint fetches none. Sign with the issuer, or add the public key to the realm's keys"
    : ". Give the private key of one of them";

function readPrivateKey(file: string): KeyObject {
  const pem = readNamedFile(file);
  try {
    return createPrivateKey(pem);
  } catch {
    throw new UsageError(`${file} holds no private key in PEM. Give a file with one (PKCS #8).`);
  }
}
