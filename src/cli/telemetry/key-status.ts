import { type HeldStatus, isUsable } from "../../keys/network/keyring.js";
import type { RemoteStatus } from "../../keys/network/remote-keys.js";
import type { Core, KeyInUse } from "../serve/core.js";

/** Whether the service wants calls, and how each realm is. */
export interface Readiness {
  /** False before everything is loaded, and while draining. */
  readonly ready: boolean;
  /** By name. */
  readonly realms: Readonly<Record<string, RemoteStatus["state"]>>;
  /** Of realms whose keys are fetched: how each of their key sets stands. Absent where there is none. */
  readonly keys?: readonly object[];
}

/** The keys of all realms, by the realm's name, as the metrics port tells of them at `/keys`. */
export interface KeysInUse {
  readonly realms: Readonly<Record<string, readonly KeyInUse[]>>;
}

/** What is worst first: a realm is as its worst key set. */
const STATES: readonly RemoteStatus["state"][] = ["failing", "cold", "stale", "fresh"];

/**
 * How each realm stands: by its keys, of which those of the configuration are always fresh; and `failing` all of them
 * where no verdicts are given, for the directory could not be read for too long.
 */
export function keyReadiness(
  realms: readonly string[],
  sets: readonly HeldStatus[],
  isFresh: boolean,
): Omit<Readiness, "ready"> {
  const stateOf = (name: string): RemoteStatus["state"] => {
    const states = sets.filter(({ realm }) => realm === name).map(({ state }) => state);
    if (!isFresh) return "failing";
    return STATES.find((state) => states.includes(state)) ?? "fresh";
  };
  return {
    realms: Object.fromEntries(realms.map((name) => [name, stateOf(name)])),
    ...(sets.length > 0 && { keys: sets.map(readinessOf) }),
  };
}

function readinessOf({ realm, location, state, why, age, next, keys, refused }: HeldStatus): object {
  return {
    realm,
    location,
    state,
    ...(why !== "" && { why }),
    ageSeconds: age === undefined ? null : Math.round(age / 1000),
    nextFetchSeconds: Math.ceil(next / 1000),
    keys: keys.length,
    refused,
  };
}

/** The realms that cannot verify what they are asked, for want of keys. */
export function unservedRealms(sets: readonly HeldStatus[]): ReadonlySet<string> {
  return new Set(sets.filter((one) => !isUsable(one)).map(({ realm }) => realm));
}

/** The keys in use. */
export function keyUses(core: Pick<Core, "keysInUse"> | undefined): KeysInUse {
  return { realms: core?.keysInUse() ?? {} };
}
