import { Counter, Gauge, type Registry } from "prom-client";
import { type HeldStatus, isUsable } from "../keys/remote/keyring.js";
import type { Clock } from "../util/clock.js";
import { METRICS } from "./metric-table.js";
import type { CoreStats, PortStatus } from "./observed.js";

// What is read of the service when somebody looks.

/** What the readings are taken of. */
export interface Sources {
  readonly clock: Clock;
  /** The ports of callers. */
  readonly ports: () => readonly PortStatus[];
  /** When the certificates of ports, and of the gateway to its service, expire: milliseconds since 1970, by their names. */
  readonly expiries: () => Readonly<Record<string, number>>;
  /** What the core says of itself; undefined in a gateway on its own, and before the core stands. */
  readonly core: () => CoreStats | undefined;
}

/** A value, or values by that of the one label; undefined where there is nothing to tell. */
type Read = (sources: Sources) => number | Readonly<Record<string, number>> | undefined;

const byPort = (what: "connections" | "streams") => (sources: Sources) =>
  Object.fromEntries(sources.ports().map((port) => [port.name, port[what]()]));

const READINGS: { readonly [Name in keyof typeof METRICS]?: Read } = {
  connections: byPort("connections"),
  streams: byPort("streams"),
  factCacheBytes: ({ core }) => core()?.factBytes,
  factCacheLookups: ({ core }) => core()?.factLookups,
  directoryFresh: ({ core }) => (core()?.isFresh === false ? 0 : 1),
  directoryEntries: ({ core }) => core()?.directory?.entries,
  feedPosition: ({ core }) => core()?.directory?.feedPosition,
  feedAge: ({ core, clock }) => {
    const followedAt = core()?.directory?.followedAt;
    return followedAt === undefined ? undefined : Math.max(0, clock() - followedAt) / 1000;
  },
  certificateExpiry: ({ expiries }) =>
    Object.fromEntries(Object.entries(expiries()).map(([name, at]) => [name, at / 1000])),
  keysUsable: ({ core }) => byRealm(core(), (sets) => (sets.every(isUsable) ? 1 : 0)),
  keySetAge: ({ core }) =>
    byRealm(core(), (sets) => {
      const ages = sets.flatMap(({ age }) => age ?? []);
      return ages.length === sets.length ? Math.max(...ages) / 1000 : undefined;
    }),
  keysRefused: ({ core }) => byRealm(core(), (sets) => sets.reduce((sum, { refused }) => sum + refused, 0)),
  issuerClockAhead: ({ core }) => core()?.skew,
};

/** A value for each realm whose keys are fetched. */
function byRealm(
  core: CoreStats | undefined,
  read: (sets: readonly HeldStatus[]) => number | undefined,
): Readonly<Record<string, number>> | undefined {
  if (core === undefined) return undefined;
  const realms = new Set(core.keys.map(({ realm }) => realm));
  return Object.fromEntries(
    [...realms].flatMap((name) => {
      const value = read(core.keys.filter(({ realm }) => realm === name));
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Adds the readings to a registry, which holds them. */
export function registerReadings(register: Registry, sources: Sources): void {
  for (const [key, read] of Object.entries(READINGS)) {
    const { name, help, type, labels } = METRICS[key as keyof typeof METRICS];
    const [label = ""] = labels;
    const values = (): readonly (readonly [Record<string, string>, number])[] => {
      const now = read(sources);
      if (now === undefined) return [];
      if (typeof now === "number") return [[{}, now]];
      return Object.entries(now).map(([value, number]) => [{ [label]: value }, number]);
    };
    const settings = { name, help, labelNames: labels, registers: [], collect: () => take() };
    const metric: Counter | Gauge = type === "counter" ? new Counter(settings) : new Gauge(settings);
    const take = (): void => {
      metric.reset();
      for (const [of, value] of values()) metric.inc(of, value);
    };
    register.registerMetric(metric);
  }
}
