import { type HeldStatus, isUsable } from "../keys/remote/keyring.js";
import type { RemoteStatus } from "../keys/remote/remote-keys.js";
import type { Core, CoreStats, KeyInUse } from "../server/core.js";

/** Whether the service wants calls, and how each realm is. */
export interface Readiness {
  /** False before everything is loaded, and while draining. */
  readonly ready: boolean;
  /** By name. */
  readonly realms: Readonly<Record<string, State>>;
  /** By the realm's name, why it is not fresh; absent where all of them are. */
  readonly why?: Readonly<Record<string, string>>;
  /** How the directory stands; absent without a store. */
  readonly directory?: { readonly state: DirectoryState; readonly why?: string };
  /** Of realms whose keys are fetched: how each of their key sets stands. Absent where there is none. */
  readonly keys?: readonly object[];
  /** Of realms that hand tokens on: what their state comes from. Absent where there is none. */
  readonly routes?: readonly object[];
}

type State = RemoteStatus["state"];

/** `stale`: it cannot be read at the moment, and verdicts are given from what is known; `failing`: none are given any more. */
type DirectoryState = Extract<State, "fresh" | "stale" | "failing">;

/** What the service says of its directory, and of its realms' keys. */
export interface Standing
  extends Pick<CoreStats, "keys" | "routes" | "isFresh">,
    Partial<Pick<CoreStats, "directory" | "trouble">> {
  /** The names of all realms. */
  readonly realms: readonly string[];
}

/** The keys of all realms, by the realm's name, as the metrics port tells of them at `/keys`. */
export interface KeysInUse {
  readonly realms: Readonly<Record<string, readonly KeyInUse[]>>;
}

/** What is worst first: a realm is as its worst key set, and one that hands tokens on as the worst realm that it has. */
const STATES: readonly State[] = ["failing", "cold", "stale", "fresh"];

const worst = (states: readonly State[]): State => STATES.find((state) => states.includes(state)) ?? "fresh";

/**
 * How each realm stands: by its keys, of which those of the configuration are always fresh; one that hands tokens on by
 * the realms that it hands them to; and `failing` all of them where no verdicts are given, for the directory could not be
 * read for too long.
 */
export function keyReadiness(standing: Standing): Omit<Readiness, "ready"> {
  const { realms, keys, routes, isFresh } = standing;
  const unserved = unservedRealms(standing);
  const setsOf = (name: string): readonly HeldStatus[] => keys.filter(({ realm }) => realm === name);
  const stateOf = (name: string): State =>
    isFresh ? worst(routes[name]?.map(stateOf) ?? setsOf(name).map(({ state }) => state)) : "failing";
  const whyOf = (name: string): string => {
    const state = stateOf(name);
    if (state === "fresh") return "";
    if (!isFresh) return "the directory cannot be read";
    const target = routes[name]?.find((one) => stateOf(one) === state);
    if (target !== undefined) return [target, whyOf(target)].filter((text) => text !== "").join(": ");
    return setsOf(name).find((one) => one.state === state)?.why ?? "";
  };
  const rowOf = (realm: string): object => ({ realm, state: stateOf(realm), ...because(whyOf(realm)) });
  const routing = Object.entries(routes).map(([realm, targets]) => ({
    ...rowOf(realm),
    serving: isFresh && !unserved.has(realm),
    targets: targets.map(rowOf),
  }));
  const reasons = realms.map((name) => [name, whyOf(name)] as const).filter(([, why]) => why !== "");
  return {
    realms: Object.fromEntries(realms.map((name) => [name, stateOf(name)])),
    ...(reasons.length > 0 && { why: Object.fromEntries(reasons) }),
    ...(standing.directory !== undefined && { directory: directoryRow(standing) }),
    ...(keys.length > 0 && { keys: keys.map(readinessOf) }),
    ...(routing.length > 0 && { routes: routing }),
  };
}

const because = (why: string): { readonly why?: string } => (why === "" ? {} : { why });

function directoryRow({ isFresh, trouble }: Standing): NonNullable<Readiness["directory"]> {
  // A clock that was set, or a process that was halted, leaves no error behind.
  if (!isFresh) return { state: "failing", why: trouble ?? "it was not read for longer than store.staleFor" };
  return trouble === undefined ? { state: "fresh" } : { state: "stale", why: trouble };
}

function readinessOf({ realm, location, state, why, age, next, left, keys, refused }: HeldStatus): object {
  return {
    realm,
    location,
    state,
    ...because(why),
    ageSeconds: age === undefined ? null : Math.round(age / 1000),
    nextFetchSeconds: Math.ceil(next / 1000),
    leftSeconds: Math.floor(left / 1000),
    keys: keys.length,
    refused,
  };
}

/**
 * The realms that cannot verify what they are asked, for want of keys. One that hands tokens on is of use for as long as
 * one of the realms is that it hands them to.
 */
export function unservedRealms({ keys, routes }: Pick<Standing, "keys" | "routes">): ReadonlySet<string> {
  const unserved = new Set(keys.filter((one) => !isUsable(one)).map(({ realm }) => realm));
  const useless = Object.entries(routes).filter(([, targets]) => targets.every((name) => unserved.has(name)));
  return new Set([...unserved, ...useless.map(([name]) => name)]);
}

/** The keys in use. */
export function keyUses(core: Pick<Core, "keysInUse"> | undefined): KeysInUse {
  return { realms: core?.keysInUse() ?? {} };
}
