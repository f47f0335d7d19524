import { readFileSync } from "node:fs";
import type { Config } from "../../config/load.js";
import { toldFile, unreadable } from "../../config/read-file.js";
import type { ConfiguredRealm } from "../../config/realms.js";
import type { VerificationKey } from "../../keys/key.js";
import { KeyError } from "../../keys/key-error.js";
import { type LoadedSet, loadJwks } from "../../keys/load-jwks.js";
import { fetchKeySet } from "../../keys/network/documents.js";
import { createFetcher } from "../../keys/network/fetch.js";
import { FetchError } from "../../keys/network/fetch-error.js";
import { toldLocation } from "../../keys/network/keyring.js";
import { isRoute } from "../../verifier/route.js";
import { reachKeys } from "../check/reach-keys.js";
import { CommandError, EXIT } from "../errors.js";
import type { KeysInUse } from "../telemetry/key-status.js";
import { aligned } from "../text-table.js";

/** The options of `keys diff`. */
export interface KeysDiffOptions {
  readonly realm: string;
  /** A file with a JWK Set, or the URL of one. */
  readonly candidate: string;
  /** The metrics port of the running service, `host:port`, or `https://host:port`; that of the configuration where it is left out. */
  readonly metrics?: string;
}

/** A key, as the rehearsal tells of it. */
interface DiffedKey {
  readonly kid: string | null;
  readonly algorithm: string;
  readonly label: string;
}

/** What would become of a realm's keys. */
export interface KeysDiff {
  readonly realm: string;
  /** Trusted now and no longer then. `verificationsLastHour` is null where no running service could be asked. */
  readonly removed: readonly (DiffedKey & { readonly verificationsLastHour: number | null })[];
  readonly added: readonly DiffedKey[];
  readonly kept: readonly DiffedKey[];
  /** Keys of the candidate that would not be used, each with the reason. */
  readonly refused: readonly string[];
  /** Why no running service was asked; null where one was. */
  readonly notAsked: string | null;
}

/** Milliseconds that the running service is given to answer. */
const PATIENCE = 5000;

/**
 * Rehearses a rotation: compares the keys that a realm has now with those that an issuer is about to publish.
 *
 * @throws {CommandError} where there is no such realm, or a set cannot be had
 */
export async function keysDiff(config: Config, options: KeysDiffOptions): Promise<KeysDiff> {
  const one = config.realms.find(({ realm }) => realm.name === options.realm);
  if (one === undefined) {
    const names = config.realms.map(({ realm }) => realm.name).join(", ");
    throw new CommandError(`There is no realm ${options.realm}. ${config.file} has: ${names}.`, EXIT.usage);
  }
  if (one.realm.policy.keysOf === "instance") {
    throw new CommandError(`The keys of the realm ${options.realm} are its instances' own.`, EXIT.usage);
  }
  if (isRoute(one.realm)) {
    const message = `The realm ${options.realm} has no keys: it hands tokens on to others. Name one of those.`;
    throw new CommandError(message, EXIT.usage);
  }
  const [{ keys: after, leftOut }, before, inUse] = await Promise.all([
    candidateSet(config, one, options.candidate),
    keysOf(config, one),
    askService(options.metrics ?? metricsUrl(config.metrics)),
  ]);
  const isIn = (keys: readonly VerificationKey[], key: VerificationKey): boolean =>
    keys.some((other) => other.algorithm === key.algorithm && other.kid === key.kid && other.label === key.label);
  const uses = typeof inUse === "string" ? undefined : inUse.realms[options.realm];
  return {
    realm: options.realm,
    removed: before
      .filter((key) => !isIn(after, key))
      .map((key) => ({ ...told(key), verificationsLastHour: usesOf(uses, key) })),
    added: after.filter((key) => !isIn(before, key)).map(told),
    kept: after.filter((key) => isIn(before, key)).map(told),
    refused: leftOut.filter(({ refused }) => refused).map(({ index, why }) => `keys[${index}]: ${why}`),
    notAsked: typeof inUse === "string" ? inUse : null,
  };
}

const told = ({ kid, algorithm, label }: VerificationKey): DiffedKey => ({ kid: kid ?? null, algorithm, label });

function usesOf(uses: KeysInUse["realms"][string] | undefined, key: VerificationKey): number | null {
  if (uses === undefined) return null;
  return uses.find(({ kid, label }) => kid === (key.kid ?? null) && label === key.label)?.verificationsLastHour ?? 0;
}

/** The keys that a realm has now: those of its configuration, and those that its issuers publish at the moment. */
async function keysOf(config: Config, one: ConfiguredRealm): Promise<readonly VerificationKey[]> {
  const reached = await reachKeys({ realms: [one], proxies: config.proxies });
  return [
    ...one.keys,
    ...reached.flatMap(({ location, set }) => {
      if (typeof set === "string") throw new CommandError(`${location}: ${set}.`, EXIT.unavailable);
      return set.keys;
    }),
  ];
}

async function candidateSet(config: Config, one: ConfiguredRealm, candidate: string): Promise<LoadedSet> {
  const value = /^https?:\/\//.test(candidate) ? await fetched(config, one, candidate) : fromFile(candidate);
  try {
    return loadJwks(value, { algorithms: one.realm.policy.algorithms, several: "first" });
  } catch (error) {
    if (error instanceof KeyError) throw new CommandError(`${toldLocation(candidate)}: ${error.message}.`, EXIT.usage);
    throw error;
  }
}

/** Fetches it as the realm's own keys are fetched: with their limits, and no more freedom than they have. */
async function fetched({ proxies }: Config, { remotes }: ConfiguredRealm, jwksUri: string): Promise<unknown> {
  const { timeout = PATIENCE, insecure = false, ca } = remotes[0] ?? {};
  const fetcher = createFetcher({ timeout, insecure, ca, proxies });
  try {
    const found = await fetcher.within((get) => fetchKeySet({ jwksUri }, get, undefined));
    return found.kind === "document" ? found.value : undefined;
  } catch (error) {
    if (error instanceof FetchError)
      throw new CommandError(`${toldLocation(jwksUri)}: ${error.message}.`, EXIT.unavailable);
    throw error;
  } finally {
    await fetcher.close();
  }
}

function fromFile(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new CommandError(`${toldFile(file)} ${unreadable(error)}.`, EXIT.usage);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CommandError(`${file} is not JSON.`, EXIT.usage);
  }
}

const metricsUrl = (port: Config["metrics"]): string | undefined =>
  port && `${port.tls === undefined ? "http" : "https"}://${port.address}`;

/** Asks a running service for the keys in use; why not, where it does not answer. */
async function askService(metrics: string | undefined): Promise<KeysInUse | string> {
  if (metrics === undefined) return "no metrics port is configured: give --metrics HOST:PORT";
  try {
    const answer = await fetch(`${metrics.includes("://") ? metrics : `http://${metrics}`}/keys`, {
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.ok) return (await answer.json()) as KeysInUse;
    return `${metrics} answered ${answer.status}`;
  } catch {
    return `no service answers at ${metrics}`;
  }
}

/** The rehearsal for people's eyes. */
export function formatKeysDiff({ realm, removed, added, kept, refused, notAsked }: KeysDiff): string {
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
    ...aligned([["", "kid", "algorithm", "label", "verifications in the last hour"], ...rows]),
    ...refused.map((why) => `refused: ${why}`),
    ...(notAsked === null ? [] : [`The running service was not asked: ${notAsked}.`]),
    ...(used === 0 ? [] : [`${used} that disappear are in use: their tokens will be rejected.`]),
  ].join("\n");
}
