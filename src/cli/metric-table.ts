/** A metric of our own. */
export interface MetricEntry<Label extends string = string> {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly Label[];
  /** What it counts, for Prometheus and for docs/reference/metrics.md, which is made of this table. */
  readonly help: string;
}

const metric = <const Label extends string = never>(
  type: MetricEntry["type"],
  name: string,
  labels: readonly Label[],
  help: string,
): MetricEntry<Label> => ({ name: `tokenverifier_${name}`, type, labels, help });

/** All metrics of our own; prom-client's of the process and of Node come besides. */
export const METRICS = {
  verifications: metric(
    "counter",
    "verifications_total",
    ["realm", "via", "outcome", "reason"],
    "Verifications; in a batch each request. `via` is the gRPC method or the face. `outcome` is `verified`, `rejected`, `failed` (no verdict) or `refused` (a face answered without asking).",
  ),
  seconds: metric("histogram", "verification_seconds", ["via"], "Time from a request's arrival to its outcome."),
  grpcCalls: metric(
    "counter",
    "grpc_calls_total",
    ["method", "code"],
    "gRPC calls; undecodable ones too. A method that is not TokenVerifier's is `unknown`.",
  ),
  httpAnswers: metric("counter", "http_answers_total", ["face", "code"], "Answers of the faces, by HTTP status."),
  connections: metric("gauge", "connections", ["port"], "Connections open, by port."),
  directoryFresh: metric(
    "gauge",
    "directory_fresh",
    [],
    "1 while verdicts are given; 0 once the directory could not be read for longer than `store.staleFor`.",
  ),
  directoryFailures: metric(
    "counter",
    "directory_failures_total",
    [],
    "Times that the directory could not be read; it is tried every 50 ms.",
  ),
  factCacheBytes: metric(
    "gauge",
    "fact_cache_bytes",
    [],
    "Memory that is counted for tokens seen before, against `cache.facts`.",
  ),
  build: metric(
    "gauge",
    "build_info",
    ["version", "node"],
    "1, with the version of the service and of Node as labels.",
  ),
} as const;
