import { status } from "@grpc/grpc-js";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Outcome } from "../contract/verifier.js";
import type { OnRead } from "../directory/observe-reads.js";
import type { ConnectionRefusalReason } from "../net/admission.js";
import { registerReadings, type Sources } from "./gauges.js";
import { METRICS, type MetricEntry } from "./metric-table.js";
import type { FetchObserver, ReloadObserver } from "./observed.js";
import { kindOf } from "./outcome-kind.js";

// What the service counts of itself, for Prometheus.

/** Seconds: from a token seen before (some µs) to the longest call that is admitted. */
const BUCKETS = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10];

/** The counters of one process. */
export interface Metrics {
  /** The text that Prometheus scrapes, and its content type. */
  text(): Promise<string>;
  readonly contentType: string;
  /** A verification, or a request over HTTP, has ended. @param via the gRPC method, the face's name, or `http/` and the method */
  call(via: string, realm: string, outcome: Outcome | undefined, millis: number, items: number): void;
  /** A gRPC call has ended: any, also one that nobody could read or that no method is for. */
  grpcCall(path: string, code: number): void;
  /** An answer over HTTP. */
  httpAnswer(face: string, code: number): void;
  /** A connection was refused, or came to nothing. */
  refusal(port: string, reason: ConnectionRefusalReason): void;
  /** The feed of the directory's changes could not be read. */
  directoryFailure(): void;
  /** The configuration was read again, or could not be. */
  readonly reload: ReloadObserver;
  /** An issuer's keys were fetched, or not. */
  readonly keyFetch: FetchObserver;
  /** The store was read. */
  readonly storeRead: OnRead;
}

/** What a service says of itself, with constant labels. */
export interface Build {
  readonly version: string;
}

/**
 * Makes the counters.
 *
 * @param realms the names that may be labels, looked at anew for each call; any other is counted as `unknown`, so that nobody can make labels up
 * @param methods the paths of the gRPC methods that may be labels
 */
export function createMetrics(
  realms: ReadonlySet<string>,
  methods: ReadonlySet<string>,
  sources: Sources,
  { version }: Build,
): Metrics {
  const register = new Registry();
  const of = settingsIn(register);
  collectDefaultMetrics({ register });
  const build = new Gauge(of(METRICS.build));
  build.set({ version, node: process.version }, 1);
  const calls = new Counter(of(METRICS.verifications));
  const seconds = new Histogram({ ...of(METRICS.seconds), buckets: BUCKETS });
  const grpc = new Counter(of(METRICS.grpcCalls));
  const http = new Counter(of(METRICS.httpAnswers));
  const refusals = new Counter(of(METRICS.connectionsRefused));
  const failures = new Counter(of(METRICS.directoryFailures));
  const refused = new Gauge(of(METRICS.configurationRefused));
  const restartNeeded = new Gauge(of(METRICS.restartNeeded));
  const keyFetches = new Counter(of(METRICS.keyFetches));
  const reads = new Histogram({ ...of(METRICS.storeRead), buckets: BUCKETS });
  registerReadings(register, sources);

  // A child is looked up by a text of its own: cheaper than to hash its labels on every call.
  const children = new Map<string, Counter.Internal>();
  const timers = new Map<string, Histogram.Internal<"via">>();
  return {
    text: () => register.metrics(),
    contentType: register.contentType,
    call(via, realm, outcome, millis, items) {
      const known = realms.has(realm) ? realm : realm === "" ? "" : "unknown";
      const kind = kindOf(outcome);
      const reason = reasonOf(outcome);
      const name = `${via} ${kind} ${reason} ${known}`;
      let child = children.get(name);
      if (child === undefined) {
        child = calls.labels({ realm: known, via, outcome: kind, reason });
        children.set(name, child);
      }
      child.inc(items);
      let timer = timers.get(via);
      if (timer === undefined) {
        timer = seconds.labels({ via });
        timers.set(via, timer);
      }
      timer.observe(millis / 1000);
    },
    grpcCall(path, code) {
      grpc.inc({ method: methods.has(path) ? path : "unknown", code: status[code] ?? "UNKNOWN" });
    },
    httpAnswer(face, code) {
      http.inc({ face, code: String(code) });
    },
    refusal: (port, reason) => refusals.inc({ port, reason }),
    directoryFailure: () => failures.inc(),
    reload: (taken, restart) => {
      refused.set(taken ? 0 : 1);
      // What could not be taken says nothing of what waits for a restart.
      if (taken) restartNeeded.set(restart ? 1 : 0);
    },
    keyFetch: (realm, result) => keyFetches.inc({ realm, result }),
    storeRead: (read, duration, failed) => reads.observe({ read, result: failed ? "failed" : "ok" }, duration),
  };
}

function reasonOf(outcome: Outcome | undefined): string {
  if (outcome === undefined || outcome.kind === "verified") return "";
  return outcome.reason ?? "UNKNOWN";
}

/** Makes what prom-client takes of an entry of the table. */
const settingsIn =
  (register: Registry) =>
  <Label extends string>({ name, help, labels }: MetricEntry<Label>) => ({
    name,
    help,
    labelNames: labels,
    registers: [register],
  });
