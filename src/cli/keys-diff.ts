import type { Command } from "commander";
import { type Config, loadConfig } from "../config/load.js";
import { redactFileName } from "../config/read-file.js";
import type { ConfiguredRealm } from "../config/realms.js";
import type { LoadedSet } from "../keys/jwks.js";
import { KeyError, type VerificationKey } from "../keys/key.js";
import { isFaulty, placeInSet } from "../keys/left-out.js";
import { FetchError, readDocument } from "../keys/remote/answer.js";
import { fetchOnce, loadFetched, wantedAt } from "../keys/remote/documents.js";
import type { RemoteEntry } from "../keys/remote/keyring.js";
import { locationName, printableLocation, printableUrl } from "../keys/remote/location.js";
import type { KeysInUse } from "../observability/observed.js";
import { addCommand, type CliContext, configOption, jsonOption, realmOption } from "./command.js";
import { CommandError, EXIT, UsageError } from "./errors.js";
import { alignColumns, printLine } from "./output.js";
import { configFile, findRealm, readNamedFile } from "./resolve.js";

const EXAMPLES = [
  "token-verifier keys diff --realm fiserv --candidate next.jwks.json",
  "token-verifier keys diff --realm fiserv --candidate next.jwks.json --metrics 127.0.0.1:9464 --json",
];

interface KeysDiffOptions {
  readonly realm: string;
  readonly candidate: string;
  readonly location?: string;
  readonly metrics?: string;
}

/** Adds `keys diff`. */
export function addKeysCommand(root: Command, context: CliContext): void {
  const keys = root.command("keys").description("work with the keys that verify a realm's tokens");
  const description = "rehearse a key rotation: which of a realm's keys would disappear, and how much they are used";
  addCommand(keys, "diff", description, EXAMPLES)
    .addOption(realmOption())
    .requiredOption(
      "--candidate <file|url>",
      "the key set that the issuer is about to publish, in the form of the one it replaces",
    )
    .option("--location <url>", "the key set that it replaces, if the realm fetches several")
    .addOption(configOption())
    .option("--metrics <address>", "the running service's metrics port (default: the configuration's)")
    .addOption(jsonOption())
    .action(async (options: KeysDiffOptions & { config?: string; json?: boolean }) => {
      const diff = await keysDiff(loadConfig(configFile(options.config), context), options);
      printLine(options.json ? JSON.stringify(diff) : formatKeysDiff(diff));
    });
}

interface DiffedKey {
  readonly kid: string | null;
  readonly algorithm: string;
  readonly label: string;
}

/** The effect of a rotation on a realm's keys, as `--json` prints it. */
interface KeysDiff {
  readonly realm: string;
  /** Keys trusted now and not afterwards. `verificationsLastHour` is null if no running service answered. */
  readonly removed: readonly (DiffedKey & { readonly verificationsLastHour: number | null })[];
  readonly added: readonly DiffedKey[];
  readonly kept: readonly DiffedKey[];
  /** Keys of the candidate that the service would refuse, each with the reason. */
  readonly refused: readonly string[];
  /** Why no running service was asked; null if one was. */
  readonly notAsked: string | null;
}

/** Milliseconds for the running service to answer, and for fetching a candidate in a realm that fetches no keys. */
const TIMEOUT = 5000;

/**
 * Compares a realm's keys before and after an issuer publishes the candidate. Keys of the configuration and of other
 * issuers stay; in a realm that fetches no keys, the candidate replaces those of the configuration.
 *
 * @throws {UsageError}, {CommandError} if a set cannot be read, or the service would not accept the candidate
 */
async function keysDiff(config: Config, options: KeysDiffOptions): Promise<KeysDiff> {
  const realm = findRealm(config, options.realm);
  if (realm.keysOf === "instance") {
    throw new UsageError(`In the realm ${options.realm} each instance has its own keys; there is no set to compare.`);
  }
  const source = sourceOf(realm, options.location);
  const others = realm.remotes.filter((remote) => remote !== source);
  const [{ keys: candidate, leftOut }, replaced, elsewhere, inUse] = await Promise.all([
    readCandidate(options.candidate, realm, source, config.proxies),
    source === undefined ? realm.keys : fetchKeys(realm, [source], config.proxies),
    fetchKeys(realm, others, config.proxies),
    askService(options.metrics ?? metricsUrl(config.metrics)),
  ]);
  const staying = source === undefined ? [] : [...realm.keys, ...elsewhere];
  const [before, after] = [distinct([...staying, ...replaced]), distinct([...staying, ...candidate])];
  const uses = typeof inUse === "string" ? undefined : inUse.realms[options.realm];
  return {
    realm: options.realm,
    removed: before
      .filter((key) => !isIn(after, key))
      .map((key) => ({ ...toDiffed(key), verificationsLastHour: usesOf(uses, key) })),
    added: after.filter((key) => !isIn(before, key)).map(toDiffed),
    kept: after.filter((key) => isIn(before, key)).map(toDiffed),
    refused: leftOut.filter(isFaulty).map((one) => `${placeInSet(one)}: ${one.why}`),
    notAsked: typeof inUse === "string" ? inUse : null,
  };
}

/**
 * The key set of the realm that the candidate replaces; undefined if the realm fetches none.
 *
 * @param location as in the configuration, or as messages print it
 */
function sourceOf({ name, remotes }: ConfiguredRealm, location: string | undefined): RemoteEntry | undefined {
  const places = remotes.map((remote) => printableLocation(remote.location)).join(", ");
  if (location === undefined) {
    if (remotes.length < 2) return remotes[0];
    throw new UsageError(
      `The realm ${name} fetches several key sets. Say which one the candidate replaces with --location URL: ${places}.`,
    );
  }
  const exact = remotes.filter((remote) => locationName(remote.location) === location);
  const matches =
    exact.length > 0 ? exact : remotes.filter((remote) => printableLocation(remote.location) === location);
  if (matches.length === 1) return matches[0];
  const why = matches.length === 0 ? "matches none of" : "matches more than one of";
  throw new UsageError(
    `--location ${printableUrl(location)} ${why} the key sets that the realm ${name} fetches: ${places || "it has none"}.`,
  );
}

const isIn = (keys: readonly VerificationKey[], key: VerificationKey): boolean =>
  keys.some((other) => other.algorithm === key.algorithm && other.kid === key.kid && other.label === key.label);

/** Each key once; several sets may have it. */
const distinct = (keys: readonly VerificationKey[]): readonly VerificationKey[] =>
  keys.filter((key, index) => !isIn(keys.slice(0, index), key));

const toDiffed = ({ kid, algorithm, label }: VerificationKey): DiffedKey => ({ kid: kid ?? null, algorithm, label });

function usesOf(uses: KeysInUse["realms"][string] | undefined, key: VerificationKey): number | null {
  if (uses === undefined) return null;
  const { algorithm, kid = null, label } = key;
  // Keys that stand for several algorithms share their label.
  const same = uses.find((one) => one.algorithm === algorithm && one.kid === kid && one.label === label);
  return same?.verificationsLastHour ?? 0;
}

/**
 * Reads the candidate as the service would read a set that it fetches.
 *
 * @param candidate a file, or a URL, which is fetched with the limits of the set that it replaces
 */
async function readCandidate(
  candidate: string,
  { algorithms }: ConfiguredRealm,
  source: RemoteEntry | undefined,
  proxies: Config["proxies"],
): Promise<LoadedSet> {
  const isUrl = /^https?:\/\//.test(candidate);
  try {
    const isMap = source !== undefined && "x509Uri" in source.location;
    const location = isMap ? { x509Uri: candidate } : { jwksUri: candidate };
    const entry = { timeout: TIMEOUT, insecure: false, ...source, location };
    if (isUrl) return await fetchOnce({ ...entry, proxies }, algorithms);
    return loadFetched(entry, readDocument(readNamedFile(candidate), wantedAt(location)), algorithms);
  } catch (error) {
    if (!(error instanceof FetchError || error instanceof KeyError)) throw error;
    const name = isUrl ? printableUrl(candidate) : redactFileName(candidate);
    const effect =
      source === undefined ? "" : " The service would treat it as a failed fetch, and keep the keys that it has.";
    const message = `${name}: ${error.message}.${effect}`;
    throw isUrl && error instanceof FetchError ? new CommandError(message, EXIT.unavailable) : new UsageError(message);
  }
}

/** Fetches the keys that the realm's issuers publish now. @throws {CommandError} if a set cannot be fetched */
async function fetchKeys(
  { algorithms }: ConfiguredRealm,
  remotes: readonly RemoteEntry[],
  proxies: Config["proxies"],
): Promise<readonly VerificationKey[]> {
  const sets = remotes.map(async (entry) => {
    try {
      return (await fetchOnce({ ...entry, proxies }, algorithms)).keys;
    } catch (error) {
      if (!(error instanceof FetchError || error instanceof KeyError)) throw error;
      throw new CommandError(`${printableLocation(entry.location)}: ${error.message}.`, EXIT.unavailable);
    }
  });
  return (await Promise.all(sets)).flat();
}

const metricsUrl = (port: Config["metrics"]): string | undefined =>
  port && `${port.tls === undefined ? "http" : "https"}://${port.address}`;

/** The keys in use of a running service; or why it did not say. @param metrics `host:port`, or a URL */
async function askService(metrics: string | undefined): Promise<KeysInUse | string> {
  if (metrics === undefined) return "no metrics port is configured; give --metrics HOST:PORT";
  try {
    const answer = await fetch(`${metrics.includes("://") ? metrics : `http://${metrics}`}/keys`, {
      signal: AbortSignal.timeout(TIMEOUT),
    });
    if (answer.ok) return (await answer.json()) as KeysInUse;
    return `${metrics} answered ${answer.status}`;
  } catch {
    return `no service answers at ${metrics}`;
  }
}

function formatKeysDiff({ realm, removed, added, kept, refused, notAsked }: KeysDiff): string {
  const row = (what: string, { kid, algorithm, label }: DiffedKey, more = ""): string[] => [
    what,
    kid ?? "without kid",
    algorithm,
    label,
    more,
  ];
  const rows = [
    ...removed.map((key) =>
      row("disappears", key, key.verificationsLastHour === null ? "?" : String(key.verificationsLastHour)),
    ),
    ...added.map((key) => row("new", key)),
    ...kept.map((key) => row("stays", key)),
  ];
  const used = removed.filter(({ verificationsLastHour }) => (verificationsLastHour ?? 0) > 0).length;
  return [
    `realm ${realm}: ${removed.length} disappear, ${added.length} new, ${kept.length} stay`,
    "",
    ...alignColumns([["", "kid", "algorithm", "label", "verifications in the last hour"], ...rows]),
    ...refused.map((why) => `refused: ${why}`),
    ...(notAsked === null ? [] : [`No running service was asked: ${notAsked}.`]),
    ...(used === 0 ? [] : [`Keys in use among those that disappear: ${used}. Their tokens will be rejected.`]),
  ].join("\n");
}
