import { status } from "@grpc/grpc-js";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { RefusalReason } from "../contract/admission.js";
import type { Outcome } from "../contract/verifier.js";
import type { OnRead } from "../directory/observed.js";
import { registerReadings, type Sources } from "./gauges.js";

// What the service counts of itself, for Prometheus. docs/metrics.md explains each name and label.

/** Seconds: from a token seen before (some µs) to the longest call that is admitted. */
const BUCKETS = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10];

/** The counters of one process. */
export interface Metrics {
  /** The text that Prometheus scrapes, and its content type. */
  text(): Promise<string>;
  readonly contentType: string;
  /** A verification, or a request to a face, has ended. @param via the gRPC method or the face's name */
  call(via: string, realm: string, outcome: Outcome | undefined, millis: number, items: number): void;
  /** A gRPC call has ended: any, also one that nobody could read or that no method is for. */
  grpcCall(path: string, code: number): void;
  /** An answer over HTTP. */
  httpAnswer(face: string, code: number): void;
  /** A connection was refused, or came to nothing. */
  refusal(port: string, reason: RefusalReason): void;
  /** The feed of the directory's changes could not be read. */
  directoryFailure(): void;
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
  const registers = [register];
  collectDefaultMetrics({ register });
  const build = new Gauge({
    name: "tokenverifier_build_info",
    help: "1, with the version of the service and of Node as labels.",
    labelNames: ["version", "node"],
    registers,
  });
  build.set({ version, node: process.version }, 1);
  const calls = new Counter({
    name: "tokenverifier_verifications_total",
    help: "Verifications, by realm, the method or face they came by, outcome and reason.",
    labelNames: ["realm", "via", "outcome", "reason"],
    registers,
  });
  const seconds = new Histogram({
    name: "tokenverifier_verification_seconds",
    help: "Time from a request's arrival to its outcome.",
    labelNames: ["via"],
    buckets: BUCKETS,
    registers,
  });
  const grpc = new Counter({
    name: "tokenverifier_grpc_calls_total",
    help: "gRPC calls, by method and status code; undecodable ones and those of unknown methods too.",
    labelNames: ["method", "code"],
    registers,
  });
  const http = new Counter({
    name: "tokenverifier_http_answers_total",
    help: "Answers to requests to the faces, by face and HTTP status.",
    labelNames: ["face", "code"],
    registers,
  });
  const refusals = new Counter({
    name: "tokenverifier_connections_refused_total",
    help: "Connections that were closed before anything was read of them, by port and reason.",
    labelNames: ["port", "reason"],
    registers,
  });
  const failures = new Counter({
    name: "tokenverifier_directory_failures_total",
    help: "Times that the directory could not be read.",
    registers,
  });
  const reads = new Histogram({
    name: "tokenverifier_store_read_seconds",
    help: "Time that reads of the store took, by what was read and whether it was given.",
    labelNames: ["read", "result"],
    buckets: BUCKETS,
    registers,
  });
  registerReadings(register, sources);

  // A child is looked up by a text of its own: cheaper than to hash its labels on every call.
  const children = new Map<string, Counter.Internal>();
  const timers = new Map<string, Histogram.Internal<"via">>();
  return {
    text: () => register.metrics(),
    contentType: register.contentType,
    call(via, realm, outcome, millis, items) {
      const known = realms.has(realm) ? realm : realm === "" ? "" : "unknown";
      const { kind, reason } = said(outcome);
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
    storeRead: (read, duration, failed) => reads.observe({ read, result: failed ? "failed" : "ok" }, duration),
  };
}

function said(outcome: Outcome | undefined): { readonly kind: string; readonly reason: string } {
  if (outcome === undefined) return { kind: "refused", reason: "" };
  if (outcome.kind === "verified") return { kind: "verified", reason: "" };
  if (outcome.kind === "rejected") return { kind: "rejected", reason: outcome.reason ?? "UNKNOWN" };
  return { kind: "failed", reason: outcome.reason };
}
