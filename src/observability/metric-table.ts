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
    "Verifications; in a batch each request. `via` is the gRPC method, the face, or `http/` and the method (`http/VerifyToken`: not over gRPC). `outcome` is `verified`, `rejected`, `failed` (no verdict: `reason` says whether by the caller's fault or the service's), `refused` (a request was answered without asking), `waiting` (`KEYS_UNAVAILABLE` though all keys are fresh: the token's own is not among them, and the issuer is asked for it once in a `cooldown`; anybody can bring that about) or `probe` (an empty token: so a gateway on its own asks whether a caller is known before it looks at the rest).",
  ),
  seconds: metric("histogram", "verification_seconds", ["via"], "Time from a request's arrival to its outcome."),
  grpcCalls: metric(
    "counter",
    "grpc_calls_total",
    ["method", "code"],
    "gRPC calls; undecodable ones too. A method that is not TokenVerifier's is `unknown`.",
  ),
  httpAnswers: metric(
    "counter",
    "http_answers_total",
    ["face", "code"],
    "Answers of the faces and of the methods over HTTP (`http/VerifyToken`), by status; `unknown` for paths where nothing is shown.",
  ),
  connections: metric("gauge", "connections", ["port"], "Connections open, by port."),
  connectionsRefused: metric(
    "counter",
    "connections_refused_total",
    ["port", "reason"],
    "Connections closed before anything was read of them: `connections` (the port has `limits.connections`), `address` (the peer has `limits.perAddress`), `handshake` (no TLS connection came about; the log says why).",
  ),
  certificateExpiry: metric(
    "gauge",
    "certificate_expiry_seconds",
    ["port"],
    "When a certificate of the service expires, in seconds since 1970; `port` may be `upstream`.",
  ),
  streams: metric(
    "gauge",
    "streams",
    ["port"],
    "Calls open that stay so until somebody ends them: streams of tokens, watches of health, reflection.",
  ),
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
  directoryEntries: metric(
    "gauge",
    "directory_entries",
    ["kind"],
    "Entries of the directory that are held in memory: `instance`, `client`, `user`, `revocation`.",
  ),
  feedPosition: metric(
    "gauge",
    "feed_position",
    [],
    "The number of the last change of the directory that is known here; processes on one store agree but for 50 ms.",
  ),
  feedAge: metric("gauge", "feed_age_seconds", [], "Time since the feed of changes was last read to its end."),
  storeRead: metric(
    "histogram",
    "store_read_seconds",
    ["read", "result"],
    "Time that reads of the store took; `result` is `ok` or `failed`.",
  ),
  keyFetches: metric(
    "counter",
    "key_fetches_total",
    ["realm", "result"],
    "Fetches of issuers' keys; `result` is `ok` (an unchanged set too) or `failed`.",
  ),
  keysUsable: metric(
    "gauge",
    "keys_usable",
    ["realm"],
    "Of realms whose keys are fetched: 1 while all of its key sets count, 0 where one of them was never fetched, or not for longer than `staleIfError`.",
  ),
  keySetAge: metric(
    "gauge",
    "key_set_age_seconds",
    ["realm"],
    "Of realms whose keys are fetched: time since the last successful fetch, of the oldest of its sets.",
  ),
  keysRefused: metric(
    "gauge",
    "keys_refused",
    ["realm"],
    "Keys of issuers' sets that are not used, for they are weak, private, symmetric, of an unknown kind, or share a `kid`.",
  ),
  issuerClockAhead: metric(
    "gauge",
    "issuer_clock_ahead_seconds",
    ["realm"],
    "How far the `iat` or `nbf` of a signed token lay ahead of our clock at most, in the last ten to twenty minutes.",
  ),
  factCacheLookups: metric(
    "counter",
    "fact_cache_lookups_total",
    ["result"],
    "Tokens looked for among those seen before: `hit` or `miss`.",
  ),
  factCacheBytes: metric(
    "gauge",
    "fact_cache_bytes",
    [],
    "Memory that is counted for tokens seen before, against `cache.facts`.",
  ),
  configurationRefused: metric(
    "gauge",
    "configuration_refused",
    [],
    "1 where the configuration's file was changed and could not be taken: the next start would fail. 0 otherwise.",
  ),
  restartNeeded: metric(
    "gauge",
    "restart_needed",
    [],
    "1 where the configuration was reloaded, and some of it takes effect at a start only. 0 otherwise.",
  ),
  build: metric(
    "gauge",
    "build_info",
    ["version", "node"],
    "1, with the version of the service and of Node as labels.",
  ),
} as const;
