import type { Config } from "../../config/load.js";
import type { ConfiguredRealm } from "../../config/realms.js";
import type { VerificationKey } from "../../keys/key.js";
import { locationName, type RemoteEntry, toldLocation } from "../../keys/remote/keyring.js";
import type { KeysInUse } from "../../observability/observed.js";
import { reachKeys } from "../check/reach-keys.js";
import { CommandError, EXIT } from "../errors.js";
import { ownRealm } from "../own-realm.js";
import { aligned } from "../text-table.js";
import { candidateSet } from "./candidate.js";

/** The options of `keys diff`. */
export interface KeysDiffOptions {
  readonly realm: string;
  /** A file with a JWK Set, or the URL of one. */
  readonly candidate: string;
  /** Which of several places that the realm fetches keys from the candidate is for. */
  readonly location?: string;
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
 * Rehearses a rotation: what would become of a realm's keys if an issuer published the candidate in the place of what it
 * publishes now. Keys of the configuration, and those of other issuers, stay. In a realm that fetches nothing the
 * candidate is in the place of the keys of the configuration.
 *
 * @throws {CommandError} where there is no such realm, a set cannot be had, or the service would not take the candidate
 */
export async function keysDiff(config: Config, options: KeysDiffOptions): Promise<KeysDiff> {
  const one = ownRealm(config, options.realm);
  if (one.keysOf === "instance") {
    throw new CommandError(`The keys of the realm ${options.realm} are its instances' own.`, EXIT.usage);
  }
  const source = sourceOf(one, options.location);
  const others = one.remotes.filter((remote) => remote !== source);
  const [{ keys: candidate, leftOut }, replaced, elsewhere, inUse] = await Promise.all([
    candidateSet(options.candidate, one, source, config.proxies),
    source === undefined ? one.keys : published(config, one, [source]),
    published(config, one, others),
    askService(options.metrics ?? metricsUrl(config.metrics)),
  ]);
  const staying = source === undefined ? [] : [...one.keys, ...elsewhere];
  const [before, after] = [distinct([...staying, ...replaced]), distinct([...staying, ...candidate])];
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

/**
 * Where the realm fetches the keys that the candidate stands for; undefined where it fetches none.
 *
 * @param location as the configuration has it, or as messages tell it
 */
function sourceOf({ name, remotes }: ConfiguredRealm, location: string | undefined): RemoteEntry | undefined {
  const places = remotes.map((remote) => toldLocation(remote.location)).join(", ");
  if (location === undefined) {
    if (remotes.length < 2) return remotes[0];
    const message = `The realm ${name} fetches keys from several places. Say of which the candidate is with --location URL: ${places}.`;
    throw new CommandError(message, EXIT.usage);
  }
  const whole = remotes.filter((remote) => locationName(remote.location) === location);
  const fitting = whole.length > 0 ? whole : remotes.filter((remote) => toldLocation(remote.location) === location);
  if (fitting.length === 1) return fitting[0];
  const why = fitting.length === 0 ? "is none of" : "fits more than one of";
  const message = `--location ${toldLocation(location)} ${why} the places that the realm ${name} fetches keys from: ${places || "it has none"}.`;
  throw new CommandError(message, EXIT.usage);
}

const isIn = (keys: readonly VerificationKey[], key: VerificationKey): boolean =>
  keys.some((other) => other.algorithm === key.algorithm && other.kid === key.kid && other.label === key.label);

/** Each key once: several sources may have it. */
const distinct = (keys: readonly VerificationKey[]): readonly VerificationKey[] =>
  keys.filter((key, index) => !isIn(keys.slice(0, index), key));

const told = ({ kid, algorithm, label }: VerificationKey): DiffedKey => ({ kid: kid ?? null, algorithm, label });

function usesOf(uses: KeysInUse["realms"][string] | undefined, key: VerificationKey): number | null {
  if (uses === undefined) return null;
  return uses.find(({ kid, label }) => kid === (key.kid ?? null) && label === key.label)?.verificationsLastHour ?? 0;
}

/** What is published at some of a realm's places at the moment. @throws {CommandError} where one cannot be had */
async function published(
  { proxies }: Config,
  one: ConfiguredRealm,
  remotes: readonly RemoteEntry[],
): Promise<readonly VerificationKey[]> {
  const reached = await reachKeys({ realms: [{ ...one, remotes }], proxies });
  return reached.flatMap(({ location, set }) => {
    if (typeof set === "string") throw new CommandError(`${location}: ${set}.`, EXIT.unavailable);
    return set.keys;
  });
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
