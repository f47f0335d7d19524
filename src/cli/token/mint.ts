import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { CompactSign } from "jose";
import type { Config } from "../../config/load.js";
import type { ConfiguredRealm } from "../../config/realms.js";
import { isSameKey } from "../../keys/same-key.js";
import { PLACEHOLDERS } from "../../server/example-values.js";
import { Secret } from "../../util/secret.js";
import { parseDuration } from "../../util/units.js";
import { CommandError, EXIT, secretIn } from "../errors.js";
import { ownRealm } from "../own-realm.js";
import { checkClaims, defaultLife, genericClaims, typOf } from "./mint-claims.js";
import { type MintValues, mintValues } from "./mint-values.js";

/** What a token is signed with. */
interface SigningKey {
  readonly key: KeyObject;
  readonly algorithm: string;
  /** Put in the header where there is one. */
  readonly kid?: string | undefined;
}

/** Signs claims as a compact JWS. @param typ of the header */
async function sign(
  claims: Readonly<Record<string, unknown>>,
  typ: string | undefined,
  { key, algorithm, kid }: SigningKey,
): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(claims));
  const header = { alg: algorithm, ...(typ !== undefined && { typ }), ...(kid !== undefined && { kid }) };
  return new CompactSign(bytes).setProtectedHeader(header).sign(key);
}

/** The private key that by custom lies beside a public one: `name.private.pem` for `name.pem` or `name.json`; undefined where there is none. */
function privateKeyBeside(publicFile: string): KeyObject | undefined {
  const file = publicFile.replace(/(\.[a-z]+)?$/, ".private.pem");
  return existsSync(file) ? createPrivateKey(readFileSync(file, "utf8")) : undefined;
}

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
  const values = { ...(await mintValues(config, secretKey, () => now)), now: Math.floor(now / 1000) };
  const claims: Record<string, unknown> = {
    ...(realm.vendor?.example.claims(values, realm.settings) ?? genericClaims(realm, values.now)),
    exp: values.now + life / 1000,
    ...Object.fromEntries(options.claim.map(parseClaim)),
  };
  checkClaims(realm, claims);
  const nobodys = Object.entries(claims).find(([, value]) => value === PLACEHOLDERS.instanceId);
  if (secretKey !== undefined && nobodys !== undefined) {
    const message = `No instance of the directory has the key in ${options.secretKeyFile}: say which has it, with --claim ${nobodys[0]}=ID.`;
    throw new CommandError(message, EXIT.usage);
  }
  return sign(claims, typOf(realm), signingKey(realm, values, options));
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

function signingKey(realm: ConfiguredRealm, values: MintValues, options: MintOptions): SigningKey {
  const { keys, files } = realm;
  const [algorithm = ""] = realm.algorithms;
  if (realm.keysOf === "instance") {
    if (values.secretKey !== "") return { key: createSecretKey(values.secretKey, "utf8"), algorithm };
    throw new CommandError("Give the instance's secret key: --secret-key-file FILE.", EXIT.usage);
  }
  if (options.keyFile === undefined) {
    const secret = keys.find(({ key }) => key.type === "secret");
    if (secret !== undefined) return { ...secret, key: secret.key };
  }
  const candidates =
    options.keyFile === undefined
      ? files.flatMap((file) => privateKeyBeside(file) ?? [])
      : [readPrivateKey(options.keyFile)];
  for (const key of candidates) {
    const fitting = keys.find((one) => isSameKey(one.key, createPublicKey(key as never)));
    if (fitting !== undefined) return { key, algorithm: fitting.algorithm, kid: fitting.kid };
  }
  throw new CommandError(
    options.keyFile === undefined
      ? `There is no private key for the realm ${realm.name}: give one with --key-file FILE.`
      : `The key in ${options.keyFile} is the private half of no key of the realm ${realm.name}.`,
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
