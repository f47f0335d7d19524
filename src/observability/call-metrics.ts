import { status } from "@grpc/grpc-js";
import { Counter, type Histogram, type Registry } from "prom-client";
import type { Outcome } from "../contract/verifier.js";
import { kindOf } from "./call-log.js";
import { METRICS, type MetricEntry } from "./metric-table.js";

// Metrics of calls: counts of what happens at every call. At each count prom-client would join all labels to one string and look that up; a
// tally looks up one value after the other, and prom-client gets the sums when Prometheus scrapes.

/** The settings of a metric. */
export interface TallySettings {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly registers: readonly Registry[];
}

type LabelValue = string | number;

/** Counts events by the values of their labels. */
export class Tally {
  /** Events with the values that lead here, since the last scrape. */
  count = 0;
  readonly #next = new Map<LabelValue, Tally>();

  /** The tally for a value of the next label. */
  of(value: LabelValue): Tally {
    let next = this.#next.get(value);
    if (next === undefined) {
      next = new Tally();
      this.#next.set(value, next);
    }
    return next;
  }

  /** Hands over all counts, and starts them again at 0. */
  take(to: (values: readonly LabelValue[], count: number) => void, values: readonly LabelValue[] = []): void {
    if (this.count > 0) to(values, this.count);
    this.count = 0;
    for (const [value, next] of this.#next) next.take(to, [...values, value]);
  }
}

/** Makes a counter. @returns counts by the labels in their order; the last labels may be left out */
export function tallyCounter({ labelNames, registers, ...settings }: TallySettings): Tally {
  const tally = new Tally();
  const counter: Counter = new Counter({
    ...settings,
    labelNames: [...labelNames],
    registers: [],
    collect: () => {
      tally.take((values, count) => {
        counter.inc(Object.fromEntries(values.map((value, index) => [labelNames[index] ?? "", value])), count);
      });
    },
  });
  for (const register of registers) register.registerMetric(counter);
  return tally;
}

/** Durations by the buckets of a histogram. */
class Durations {
  readonly #bounds: readonly number[];
  /** Durations in each bucket, and above all of them. */
  readonly counts: number[];
  /** Sum of the durations, in seconds. */
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = [...bounds, Infinity].map(() => 0);
  }

  /** Adds a duration. */
  add(seconds: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket++;
    (this.counts[bucket] as number)++;
    this.sum += seconds;
  }
}

/**
 * Makes a histogram with one label.
 *
 * @param bounds upper bounds of the buckets in seconds, ascending
 * @returns adds a duration in seconds
 */
export function tallyHistogram(
  { name, help, labelNames: [label = ""], registers }: TallySettings,
  bounds: readonly number[],
): (value: string, seconds: number) => void {
  const durations = new Map<string, Durations>();
  const samples = ([value, { counts, sum }]: [string, Durations]): object[] => {
    let total = 0;
    const buckets = counts.map((count, bucket) => {
      total += count;
      return { metricName: `${name}_bucket`, labels: { le: bounds[bucket] ?? "+Inf", [label]: value }, value: total };
    });
    const labels = { [label]: value };
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: total },
    ];
  };
  // prom-client's own histogram takes single values only.
  const metric = {
    name,
    help,
    type: "histogram",
    get: async () => ({ ...metric, values: [...durations].flatMap(samples) }),
  };
  for (const register of registers) register.registerMetric(metric as unknown as Histogram);
  return (value, seconds) => {
    let of = durations.get(value);
    if (of === undefined) {
      of = new Durations(bounds);
      durations.set(value, of);
    }
    of.add(seconds);
  };
}

/** Counts what happens at every call. */
export interface CallMetrics {
  /** Counts a verification or an HTTP request that has ended. @param via the gRPC method, the face's name, or `http/` and the method */
  call(via: string, realm: string, outcome: Outcome | undefined, millis: number, items: number): void;
  /** Counts a gRPC call that has ended, also one that could not be decoded or that names an unknown method. */
  grpcCall(path: string, code: number): void;
  /** Counts an HTTP answer. */
  httpAnswer(face: string, code: number): void;
}

/**
 * Makes the metrics of calls.
 *
 * @param of makes a metric's settings
 * @param buckets upper bounds of latencies in seconds, ascending
 * @param realms names that may be labels, read at each call; other names count as `unknown`, so that callers cannot create labels
 * @param methods paths of gRPC methods that may be labels
 */
export function createCallMetrics(
  of: (metric: MetricEntry) => TallySettings,
  buckets: readonly number[],
  realms: ReadonlySet<string>,
  methods: ReadonlySet<string>,
): CallMetrics {
  const calls = tallyCounter(of(METRICS.verifications));
  const seconds = tallyHistogram(of(METRICS.seconds), buckets);
  const grpc = tallyCounter(of(METRICS.grpcCalls));
  const http = tallyCounter(of(METRICS.httpAnswers));
  return {
    call(via, realm, outcome, millis, items) {
      const known = realms.has(realm) || realm === "" ? realm : "unknown";
      const tally = calls.of(known).of(via).of(kindOf(outcome)).of(reasonOf(outcome));
      (outcome?.kind === "rejected" ? tally.of(String(outcome.signatureVerified)) : tally).count += items;
      seconds(via, millis / 1000);
    },
    grpcCall(path, code) {
      grpc.of(methods.has(path) ? path : "unknown").of(status[code] ?? "UNKNOWN").count++;
    },
    httpAnswer(face, code) {
      http.of(face).of(code).count++;
    },
  };
}

function reasonOf(outcome: Outcome | undefined): string {
  if (outcome === undefined || outcome.kind === "verified") return "";
  return outcome.reason ?? "UNKNOWN";
}
