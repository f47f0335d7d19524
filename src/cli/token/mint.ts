import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Config } from "../../config/load.js";
import type { ConfiguredRealm } from "../../config/realms.js";
import {
  defaultLife,
  matchingKey,
  missingClaims,
  type SigningKey,
  sampleClaims,
  signingKey,
  signToken,
} from "../../server/development/tokens.js";
import { directoryValues, PLACEHOLDERS } from "../../server/development/values.js";
import { Secret } from "../../util/secret.js";
import { parseDuration } from "../../util/units.js";
import { CommandError, EXIT, secretIn } from "../errors.js";
import { ownRealm } from "../own-realm.js";

/** The options of `mint`. */
export interface MintOptions {
  readonly realm: string;
  /** `name=value`; a value that is JSON is taken as JSON, any other as a text. */
  readonly claim: readonly string[];
  /** How long the token lives, as configuration writes durations; kept where the realm admits less. Default: 1h, or what it admits. */
  readonly expires?: string;
  /** A private key (PEM) that fits one of the realm's public keys. */
  readonly keyFile?: string;
  /** The secret key of an instance, for realms whose tokens instances sign; the token is then that instance's. */
  readonly secretKeyFile?: string;
}

/**
 * Makes a token for development: the claims of the vendor's sample, or those that the realm requires, and what
 * `--claim` adds or replaces. Its `typ` and its life are as the realm wants them.
 *
 * @param now milliseconds since 1970
 * @throws {CommandError} where there is no such realm, no key to sign with, or no value for a claim that the realm requires
 */
export async function mint(config: Config, options: MintOptions, now: number): Promise<string> {
  const realm = ownRealm(config, options.realm);
  const life = options.expires === undefined ? defaultLife(realm) : parseDuration(options.expires);
  if (life === undefined) throw new CommandError("--expires must be a duration such as 10m or 1h.", EXIT.usage);
  const secretKey = instanceKey(realm, options);
  const values = { ...(await directoryValues(config, secretKey, () => now)), now: Math.floor(now / 1000) };
  const claims: Record<string, unknown> = {
    ...sampleClaims(realm, values),
    exp: values.now + life / 1000,
    ...Object.fromEntries(options.claim.map(parseClaim)),
  };
  checkClaims(realm, claims);
  const nobodys = Object.entries(claims).find(([, value]) => value === PLACEHOLDERS.instanceId);
  if (secretKey !== undefined && nobodys !== undefined) {
    const message = `No instance of the directory has the key in ${options.secretKeyFile}: say which has it, with --claim ${nobodys[0]}=ID.`;
    throw new CommandError(message, EXIT.usage);
  }
  return signToken(realm, claims, keyToSign(realm, values.secretKey, options));
}

/** The secret key that was given, where instances sign; an empty one is none. */
function instanceKey(realm: ConfiguredRealm, { secretKeyFile }: MintOptions): Secret | undefined {
  if (realm.keysOf !== "instance" || secretKeyFile === undefined) return undefined;
  const text = secretIn(secretKeyFile);
  return text === "" ? undefined : new Secret(text);
}

function parseClaim(text: string): [string, unknown] {
  const at = text.indexOf("=");
  if (at < 1) throw new CommandError(`--claim ${text}: write name=value.`, EXIT.usage);
  const value = text.slice(at + 1);
  try {
    return [text.slice(0, at), JSON.parse(value) as unknown];
  } catch {
    return [text.slice(0, at), value];
  }
}

/** Checks that the token has all claims that the realm requires. @throws {CommandError} that names those that are missing */
function checkClaims(realm: ConfiguredRealm, claims: Readonly<Record<string, unknown>>): void {
  const missing = missingClaims(realm, claims);
  if (missing.length === 0) return;
  const options = missing.map((name) => `--claim ${name}=VALUE`).join(" ");
  const message = `The realm ${realm.name} requires claims that mint knows no value for: give ${options}.`;
  throw new CommandError(message, EXIT.usage);
}

function keyToSign(realm: ConfiguredRealm, secretKey: string, { keyFile }: MintOptions): SigningKey {
  const isInstances = realm.keysOf === "instance";
  const found =
    keyFile === undefined || isInstances ? signingKey(realm, secretKey) : matchingKey(realm, readPrivateKey(keyFile));
  if (found !== undefined) return found;
  if (isInstances) throw new CommandError("Give the instance's secret key: --secret-key-file FILE.", EXIT.usage);
  throw new CommandError(
    keyFile === undefined
      ? `There is no private key for the realm ${realm.name}: give one with --key-file FILE.`
      : `The key in ${keyFile} is the private half of no key of the realm ${realm.name}.`,
    EXIT.usage,
  );
}

function readPrivateKey(file: string): KeyObject {
  try {
    return createPrivateKey(readFileSync(file, "utf8"));
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).syscall === undefined ? "it is no private key in PEM" : "it cannot be read";
    throw new CommandError(`${file}: ${why}.`, EXIT.usage);
  }
}
