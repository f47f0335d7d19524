import { isFaulty } from "../keys/left-out.js";
import { type HeldStatus, isUsable } from "../keys/remote/status.js";
import { type CoreStats, type RealmState, type ServiceState, unusedKey } from "../observability/observed.js";

/** What the state of a service is decided from. */
export interface Observations extends Pick<CoreStats, "keys" | "isFresh">, Partial<Pick<CoreStats, "directory">> {
  /** Names of all realms. */
  readonly realms: readonly string[];
  /** For each realm that routes by issuer, the names of its targets. */
  readonly routes: Readonly<Record<string, readonly string[]>>;
  /** Why the directory cannot be read; absent if it can. */
  readonly trouble?: string | undefined;
  /** Names of the realms for which the directory has not been read for too long, which may be sooner than for the others. */
  readonly staleRealms?: readonly string[];
}

/** From worst to best: a realm has the state of its worst key set, a routing realm that of its worst target. */
const STATES: readonly RealmState[] = ["failing", "cold", "stale", "fresh"];

const worst = (states: readonly RealmState[]): RealmState => STATES.find((state) => states.includes(state)) ?? "fresh";

/**
 * Decides the state of each realm, and of the directory.
 *
 * Keys of the configuration are always fresh. A routing realm follows its targets. All realms are `failing` once the
 * directory has been unreadable for too long, because the service gives no verdicts then.
 */
export function serviceStateOf(observations: Observations): ServiceState {
  const { realms, keys, routes, isFresh, staleRealms = [] } = observations;
  const unserved = unservedRealms(observations);
  const setsOf = (name: string): readonly HeldStatus[] => keys.filter(({ realm }) => realm === name);
  const stateOf = (name: string): RealmState =>
    isFresh && !staleRealms.includes(name)
      ? worst(routes[name]?.map(stateOf) ?? setsOf(name).map(({ state }) => state))
      : "failing";
  const whyOf = (name: string): string => {
    const state = stateOf(name);
    if (state === "fresh") return "";
    if (!isFresh || staleRealms.includes(name)) return "the directory cannot be read";
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
    ...(observations.directory !== undefined && { directory: directoryRow(observations) }),
    ...(keys.length > 0 && { keys: keys.map(keySetRow) }),
    ...(routing.length > 0 && { routes: routing }),
  };
}

const because = (why: string): { readonly why?: string } => (why === "" ? {} : { why });

function directoryRow({ isFresh, trouble }: Observations): NonNullable<ServiceState["directory"]> {
  // A clock that jumped, or a process that was suspended, leaves no error behind.
  if (!isFresh) return { state: "failing", why: trouble ?? "it was not read for longer than store.staleFor" };
  return trouble === undefined ? { state: "fresh" } : { state: "stale", why: trouble };
}

function keySetRow({ realm, location, state, why, age, next, left, keys, leftOut }: HeldStatus): object {
  const refused = leftOut.filter(isFaulty);
  return {
    realm,
    location,
    state,
    ...because(why),
    ageSeconds: age === undefined ? null : Math.round(age / 1000),
    nextFetchSeconds: Math.ceil(next / 1000),
    leftSeconds: Math.floor(left / 1000),
    keys: keys.length,
    refused: refused.length,
    ...(refused.length > 0 && { refusedKeys: refused.map(unusedKey) }),
  };
}

/** Realms without usable keys, which health reports as NOT_SERVING. A routing realm serves while one of its targets does. */
export function unservedRealms({
  keys,
  routes,
  staleRealms = [],
}: Pick<Observations, "keys" | "routes" | "staleRealms">): ReadonlySet<string> {
  const unserved = new Set([...staleRealms, ...keys.filter((one) => !isUsable(one)).map(({ realm }) => realm)]);
  const useless = Object.entries(routes).filter(([, targets]) => targets.every((name) => unserved.has(name)));
  return new Set([...unserved, ...useless.map(([name]) => name)]);
}
