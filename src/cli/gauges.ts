import { Counter, Gauge, type Registry } from "prom-client";
import type { Clock } from "../contract/verifier.js";
import type { CoreStats } from "./core.js";
import type { Port } from "./port.js";

// What is read of the service when somebody looks. docs/metrics.md explains each name and label.

/** What the readings are taken of. */
export interface Sources {
  readonly clock: Clock;
  /** The ports of callers. */
  readonly ports: () => readonly Pick<Port, "name" | "connections" | "streams">[];
  /** When the certificates of ports, and of the gateway to its service, expire: milliseconds since 1970, by their names. */
  readonly expiries: () => Readonly<Record<string, number>>;
  /** What the core says of itself; undefined in a gateway on its own, and before the core stands. */
  readonly core: () => CoreStats | undefined;
}

/** One reading: its values by label value, or alone. */
interface Reading {
  readonly name: string;
  readonly help: string;
  /** Default gauge. A counter's values never fall. */
  readonly type?: "counter";
  readonly label?: string;
  /** Undefined where there is nothing to tell. */
  readonly read: (sources: Sources) => number | Readonly<Record<string, number>> | undefined;
}

const byPort = (what: "connections" | "streams") => (sources: Sources) =>
  Object.fromEntries(sources.ports().map((port) => [port.name, port[what]()]));

const READINGS: readonly Reading[] = [
  {
    name: "tokenverifier_connections",
    help: "Connections open, by port.",
    label: "port",
    read: byPort("connections"),
  },
  {
    name: "tokenverifier_streams",
    help: "Calls open that stay so until somebody ends them, by port: streams of tokens, watches of health, reflection.",
    label: "port",
    read: byPort("streams"),
  },
  {
    name: "tokenverifier_certificate_expiry_seconds",
    help: "When a certificate of the service expires, in seconds since 1970, by where it is shown.",
    label: "port",
    read: ({ expiries }) => Object.fromEntries(Object.entries(expiries()).map(([name, at]) => [name, at / 1000])),
  },
  {
    name: "tokenverifier_fact_cache_bytes",
    help: "Memory that is counted for tokens seen before, against cache.facts.",
    read: ({ core }) => core()?.factBytes,
  },
  {
    name: "tokenverifier_fact_cache_lookups_total",
    help: "Tokens that were looked for among those seen before, by what was found.",
    type: "counter",
    label: "result",
    read: ({ core }) => core()?.factLookups,
  },
  {
    name: "tokenverifier_directory_fresh",
    help: "1 while verdicts are given from the directory; 0 once it could not be read for longer than store.staleFor.",
    read: ({ core }) => (core()?.isFresh === false ? 0 : 1),
  },
  {
    name: "tokenverifier_directory_entries",
    help: "Entries of the directory that are held in memory, by kind.",
    label: "kind",
    read: ({ core }) => core()?.directory?.entries,
  },
  {
    name: "tokenverifier_feed_position",
    help: "The number of the last change of the directory that is known here.",
    read: ({ core }) => core()?.directory?.feedPosition,
  },
  {
    name: "tokenverifier_feed_age_seconds",
    help: "Time since the feed of the directory's changes was last read to its end.",
    read: ({ core, clock }) => {
      const followedAt = core()?.directory?.followedAt;
      return followedAt === undefined ? undefined : Math.max(0, clock() - followedAt) / 1000;
    },
  },
];

/** Adds the readings to a registry, which holds them. */
export function registerReadings(register: Registry, sources: Sources): void {
  for (const { name, help, type, label, read } of READINGS) {
    const values = (): readonly (readonly [Record<string, string>, number])[] => {
      const now = read(sources);
      if (now === undefined) return [];
      if (typeof now === "number") return [[{}, now]];
      return Object.entries(now).map(([value, number]) => [{ [label ?? ""]: value }, number]);
    };
    const settings = { name, help, labelNames: label === undefined ? [] : [label], registers: [] };
    const metric: Counter | Gauge =
      type === "counter"
        ? new Counter({ ...settings, collect: () => take() })
        : new Gauge({ ...settings, collect: () => take() });
    const take = (): void => {
      metric.reset();
      for (const [labels, value] of values()) metric.inc(labels, value);
    };
    register.registerMetric(metric);
  }
}
