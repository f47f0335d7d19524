import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { OnRead } from "../directory/observe-reads.js";
import { isExpired } from "../keys/key.js";
import { type HeldStatus, isUsable } from "../keys/remote/status.js";
import type { ConnectionRefusalReason } from "../net/admission.js";
import type { WatchStats } from "../net/port.js";
import type { Clock } from "../util/clock.js";
import { type CallMetrics, createCallMetrics } from "./call-metrics.js";
import { METRICS, type MetricEntry } from "./metric-table.js";
import type { CoreStats, FetchObserver, ObservedUpstreams, PortStatus, ReloadObserver } from "./observed.js";

// The metrics of a service, for Prometheus: counters that events raise, and gauges that are read at each scrape.

/** Upper bounds in seconds: from a cached token (some microseconds) to the longest call that is admitted. */
const BUCKETS = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10];

/** The metrics of one process. */
export interface Metrics extends CallMetrics {
  /** Renders the text that Prometheus scrapes. */
  text(): Promise<string>;
  readonly contentType: string;
  /** Counts a connection that was refused or failed its TLS handshake. */
  refusal(port: string, reason: ConnectionRefusalReason): void;
  /** Counts a failure to read the change feed. */
  directoryFailure(): void;
  /** Records the result of a reload. */
  readonly reload: ReloadObserver;
  /** Counts a fetch of an issuer's keys. */
  readonly keyFetch: FetchObserver;
  /** Records the time of a read of the store. */
  readonly storeRead: OnRead;
}

/** What gauges are read from at each scrape. */
interface Sources {
  readonly clock: Clock;
  /** The ports that callers connect to. */
  readonly ports: () => readonly PortStatus[];
  /** Expiry of each certificate in milliseconds since 1970, by port; `upstream` for a gateway's own. */
  readonly expiries: () => Readonly<Record<string, number>>;
  /** Figures of the core; undefined in a gateway on its own, and before the core is open. */
  readonly core: () => CoreStats | undefined;
  /** The services that a gateway asks; undefined in a service. */
  readonly upstreams: () => ObservedUpstreams | undefined;
}

/**
 * Makes the metrics.
 *
 * @param realms names that may be labels, read at each call; other names count as `unknown`, so that callers cannot create labels
 * @param methods paths of gRPC methods that may be labels
 */
export function createMetrics(
  realms: ReadonlySet<string>,
  methods: ReadonlySet<string>,
  sources: Sources,
  version: string,
): Metrics {
  const register = new Registry();
  const of = settingsIn(register);
  collectDefaultMetrics({ register });
  const build = new Gauge(of(METRICS.build));
  build.set({ version, node: process.version }, 1);
  const refusals = new Counter(of(METRICS.connectionsRefused));
  const failures = new Counter(of(METRICS.directoryFailures));
  const refused = new Gauge(of(METRICS.configurationRefused));
  const restartNeeded = new Gauge(of(METRICS.restartNeeded));
  const keyFetches = new Counter(of(METRICS.keyFetches));
  const reads = new Histogram({ ...of(METRICS.storeRead), buckets: BUCKETS });
  registerGauges(register, sources);

  return {
    text: () => register.metrics(),
    contentType: register.contentType,
    ...createCallMetrics(of, BUCKETS, realms, methods),
    refusal: (port, reason) => refusals.inc({ port, reason }),
    directoryFailure: () => failures.inc(),
    reload: (taken, restart) => {
      refused.set(taken ? 0 : 1);
      // A refused configuration does not tell whether a restart is needed.
      if (taken) restartNeeded.set(restart ? 1 : 0);
    },
    keyFetch: (realm, result) => keyFetches.inc({ realm, result }),
    storeRead: (read, duration, failed) => reads.observe({ read, result: failed ? "failed" : "ok" }, duration),
  };
}

/** The settings of a metric for prom-client, from the table. */
const settingsIn =
  (register: Registry) =>
  <Label extends string>({ name, help, labels }: MetricEntry<Label>) => ({
    name,
    help,
    labelNames: labels,
    registers: [register],
  });

/** A value of a metric, with its labels. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** Reads a value, values by the metric's one label, or values by several; undefined leaves the metric out. */
type ReadGauge = (sources: Sources) => number | Readonly<Record<string, number>> | readonly Sample[] | undefined;

const byPort = (what: "connections" | "streams") => (sources: Sources) =>
  Object.fromEntries(sources.ports().map((port) => [port.name, port[what]()]));

const GAUGES: { readonly [Name in keyof typeof METRICS]?: ReadGauge } = {
  connections: byPort("connections"),
  streams: byPort("streams"),
  watches: ({ ports }) => sumOf(ports(), ({ open }) => open),
  watchChanges: ({ ports }) => sumOf(ports(), ({ sent }) => sent),
  watchResets: ({ ports }) => sumOf(ports(), ({ resets }) => resets),
  watchesRefused: ({ ports }) =>
    ports().flatMap((port) =>
      Object.entries(port.watches?.()?.refused ?? {}).map(([reason, count = 0]): Sample => [{ reason }, count]),
    ),
  factCacheBytes: ({ core }) => core()?.factBytes,
  factCacheLookups: ({ core }) => core()?.factLookups,
  directoryFresh: ({ core }) => (core()?.isFresh === false ? 0 : 1),
  directoryEntries: ({ core }) => core()?.directory?.entries,
  feedPosition: ({ core }) => core()?.directory?.feedPosition,
  feedAge: ({ core, clock }) => {
    const followedAt = core()?.directory?.followedAt;
    return followedAt === undefined ? undefined : Math.max(0, clock() - followedAt) / 1000;
  },
  revocationBytes: ({ core }) => core()?.store?.revocationBytes,
  revocationsMax: ({ core }) => core()?.store?.revocationsMax,
  revocationsRestored: ({ core }) => core()?.store?.revocationsRestored,
  clockOffset: ({ core }) => scaled(core()?.store?.clockOffset),
  feedNotifications: ({ core }) => core()?.store?.notifications,
  certificateExpiry: ({ expiries }) =>
    Object.fromEntries(Object.entries(expiries()).map(([name, at]) => [name, at / 1000])),
  keysUsable: ({ core }) => byRealm(core(), (sets) => (sets.every(isUsable) ? 1 : 0)),
  keySetAge: ({ core }) =>
    byRealm(core(), (sets) => {
      const ages = sets.flatMap(({ age }) => age ?? []);
      return ages.length === sets.length ? Math.max(...ages) / 1000 : undefined;
    }),
  keysRefused: ({ core }) => core()?.keys.flatMap(refusedByCause),
  keysExpired: ({ core, clock }) =>
    byRealm(core(), (sets) => {
      const expired = sets.flatMap(({ keys }) => keys.filter((key) => isExpired(key, clock())));
      // A key is there once for each algorithm that it verifies.
      return new Set(expired.map(({ key }) => key)).size;
    }),
  upstreamServing: ({ upstreams }) => {
    const all = upstreams()?.status();
    return all && Object.fromEntries(all.map(({ address, state }) => [address, state === "serving" ? 1 : 0]));
  },
  upstreamCalls: ({ upstreams }) =>
    upstreams()
      ?.status()
      .flatMap(({ address: upstream, answered, lost }): readonly Sample[] => [
        [{ upstream, result: "answered" }, answered],
        [{ upstream, result: "lost" }, lost],
      ]),
  upstreamRepeated: ({ upstreams }) => upstreams()?.repeated,
  issuerClockAhead: ({ core }) => core()?.skew,
  proofsRemembered: ({ core }) => core()?.proofs,
};

const scaled = (millis: number | undefined): number | undefined => (millis === undefined ? undefined : millis / 1000);

/** A figure of all ports with watches together; undefined if there is none. */
function sumOf(ports: readonly PortStatus[], read: (stats: WatchStats) => number): number | undefined {
  const stats = ports.flatMap((port) => port.watches?.() ?? []);
  return stats.length === 0 ? undefined : stats.reduce((sum, one) => sum + read(one), 0);
}

/** How many keys of a set are not used, for each cause that one has. */
function refusedByCause({ realm, leftOut }: HeldStatus): readonly Sample[] {
  return leftOut.map(({ cause }) => [{ realm, cause }, 1]);
}

/** A value for each realm that fetches keys. */
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

/** Registers metrics that are read at each scrape. */
function registerGauges(register: Registry, sources: Sources): void {
  for (const [key, read] of Object.entries(GAUGES)) {
    const { name, help, type, labels } = METRICS[key as keyof typeof METRICS];
    const [label = ""] = labels;
    const values = (): readonly Sample[] => {
      const now = read(sources);
      if (now === undefined) return [];
      if (typeof now === "number") return [[{}, now]];
      if (Array.isArray(now)) return now as readonly Sample[];
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
