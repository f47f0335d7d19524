/** A metric that the service defines. */
export interface MetricEntry<Label extends string = string> {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly Label[];
  /** Its help text in Prometheus and in docs/reference/metrics.md, which is generated from this table. */
  readonly help: string;
}

const metric = <const Label extends string = never>(
  type: MetricEntry["type"],
  name: string,
  labels: readonly Label[],
  help: string,
): MetricEntry<Label> => ({ name: `tokenverifier_${name}`, type, labels, help });

/** All metrics of the service; prom-client adds those of the process and of Node.js. */
export const METRICS = {
  verifications: metric(
    "counter",
    "verifications_total",
    ["realm", "via", "outcome", "reason", "signed"],
    "Verifications; a batch counts each of its requests. `via` is the gRPC method, the face, or `http/` and the method for Connect JSON (`http/VerifyToken`). `outcome` is `verified`, `rejected`, `failed` (no verdict; `reason` says why), `refused` (a face answered without asking the verifier), `waiting` (`KEYS_UNAVAILABLE` although all keys are fresh: the token's key is not among them, and the issuer is asked for it once per `cooldown`; any client can cause this) or `probe` (an empty token, with which a gateway on its own asks whether a caller is known). `signed` is set for `rejected`: `true` if the signature had verified before the reason was found, `false` if anyone may have made the token.",
  ),
  seconds: metric(
    "histogram",
    "verification_seconds",
    ["via"],
    "Time from a request's arrival to its outcome, in seconds.",
  ),
  grpcCalls: metric(
    "counter",
    "grpc_calls_total",
    ["method", "code"],
    "gRPC calls, including those that could not be decoded. Methods of other services count as `unknown`. `CANCELLED` are calls that were reset before they had a status: by their clients, or by the service because their messages did not arrive, or their answers were not read, in time. `RESOURCE_EXHAUSTED` includes those for which there was no memory, and `UNKNOWN` those that are no gRPC (405, 415).",
  ),
  httpAnswers: metric(
    "counter",
    "http_answers_total",
    ["face", "code"],
    "HTTP answers of faces and of Connect JSON (`http/VerifyToken`), by status. The face is `unknown` for a path that serves nothing (404), and for input that is no request (400), does not arrive in time (408) or exceeds `limits.headers` (431); these three have no log line.",
  ),
  connections: metric("gauge", "connections", ["port"], "Open connections, by port."),
  connectionsRefused: metric(
    "counter",
    "connections_refused_total",
    ["port", "reason"],
    "Connections closed before anything was read: `connections` (the port is at `limits.connections`), `address` (the peer is at `limits.perAddress`), `handshake` (the TLS handshake failed; the log says why); and open ones that were cut: `refusals`, `resets` or `unread` (the `reason` of the log line `connection cut`).",
  ),
  certificateExpiry: metric(
    "gauge",
    "certificate_expiry_seconds",
    ["port"],
    "Expiry of a certificate of the service, in seconds since 1970; `port` is `upstream` for a gateway's client certificate.",
  ),
  streams: metric(
    "gauge",
    "streams",
    ["port"],
    "Open calls that last until the client or the server ends them: token streams, health watches, reflection.",
  ),
  watches: metric("gauge", "watches", [], "Open watches (WatchChanges)."),
  watchChanges: metric("counter", "watch_changes_total", [], "Changes sent to watchers."),
  watchResets: metric(
    "counter",
    "watch_resets_total",
    [],
    "Watchers that took changes so slowly that they were told to drop everything instead.",
  ),
  watchesRefused: metric("counter", "watches_refused_total", ["reason"], "Refused watches, by the failure's reason."),
  directoryFresh: metric(
    "gauge",
    "directory_fresh",
    [],
    "1 while the service gives verdicts; 0 once the directory has been unreadable for longer than `store.staleFor`.",
  ),
  directoryFailures: metric(
    "counter",
    "directory_failures_total",
    [],
    "Failures to read the directory; it is read every 50 ms.",
  ),
  directoryEntries: metric(
    "gauge",
    "directory_entries",
    ["kind"],
    "Directory entries held in memory: `instance`, `client`, `user`, `revocation`.",
  ),
  feedPosition: metric(
    "gauge",
    "feed_position",
    [],
    "Number of the last change of the directory that this process knows; processes on one store differ by at most 50 ms.",
  ),
  feedAge: metric("gauge", "feed_age_seconds", [], "Time since the change feed was last read to its end, in seconds."),
  revocationBytes: metric("gauge", "revocation_bytes", [], "Memory of the revocations, in bytes."),
  revocationsMax: metric(
    "gauge",
    "revocations_max",
    [],
    "`revocations.max`: at this number of `directory_entries` of kind `revocation`, further ones are refused.",
  ),
  revocationsRestored: metric(
    "counter",
    "revocations_restored_total",
    [],
    "Revocations that this process gave back to a store that had gone back in time.",
  ),
  clockOffset: metric(
    "gauge",
    "store_clock_offset_seconds",
    [],
    "How far this machine's clock is ahead of the database's, in seconds.",
  ),
  feedNotifications: metric(
    "counter",
    "feed_notifications_total",
    [],
    "Commits that the database announced, those of replicas' reports included. None where the feed is only polled, as through PgBouncer.",
  ),
  storeRead: metric(
    "histogram",
    "store_read_seconds",
    ["read", "result"],
    "Time of reads of the store, in seconds; `result` is `ok` or `failed`.",
  ),
  keyFetches: metric(
    "counter",
    "key_fetches_total",
    ["realm", "result"],
    "Fetches of issuers' keys; `result` is `ok` (including an unchanged set) or `failed`.",
  ),
  keysUsable: metric(
    "gauge",
    "keys_usable",
    ["realm"],
    "For realms that fetch keys: 1 while all of the realm's key sets are usable; 0 if one was never fetched, or not for longer than `staleIfError`.",
  ),
  keySetAge: metric(
    "gauge",
    "key_set_age_seconds",
    ["realm"],
    "For realms that fetch keys: seconds since the last successful fetch, of the oldest of the realm's key sets.",
  ),
  keysRefused: metric(
    "gauge",
    "keys_refused",
    ["realm", "cause"],
    "Keys of issuers' sets that are not used, by cause: `malformed`, `contradictory`, `unsupported`, `weak` (anyone can sign with it) or `set aside` (by its own words it is for something else).",
  ),
  keysExpired: metric(
    "gauge",
    "keys_expired",
    ["realm"],
    "Keys of issuers' sets whose certificates have expired; they verify all the same.",
  ),
  issuerClockAhead: metric(
    "gauge",
    "issuer_clock_ahead_seconds",
    ["realm"],
    "Largest lead of a signed token's `iat` or `nbf` over our clock in the last ten to twenty minutes, in seconds.",
  ),
  proofsRemembered: metric(
    "gauge",
    "proofs_remembered",
    ["realm"],
    "DPoP proofs that the realm remembers against a second use; at `proofs.max`, calls with a further proof fail with TOO_MANY_PROOFS.",
  ),
  factCacheLookups: metric(
    "counter",
    "fact_cache_lookups_total",
    ["result"],
    "Lookups of tokens in the cache of those seen before: `hit` or `miss`.",
  ),
  factCacheBytes: metric(
    "gauge",
    "fact_cache_bytes",
    [],
    "Estimated memory of the cache of tokens seen before, in bytes; limited by `cache.facts`.",
  ),
  upstreamServing: metric(
    "gauge",
    "upstream_serving",
    ["upstream"],
    "1 while a service that this gateway asks gives verdicts, by its address; else 0, and the cause is in `/readyz`.",
  ),
  upstreamCalls: metric(
    "counter",
    "upstream_calls_total",
    ["upstream", "result"],
    "Calls of this gateway to each service: `answered`, or `lost` (it found no connection, or the connection or the service was lost before the answer).",
  ),
  upstreamRepeated: metric(
    "counter",
    "upstream_repeated_total",
    [],
    "Calls of this gateway that were made a second time, because the first service was lost, shut down, or could not read its directory.",
  ),
  configurationRefused: metric(
    "gauge",
    "configuration_refused",
    [],
    "1 if the configuration's file was changed and refused, so that the next start would fail; else 0.",
  ),
  restartNeeded: metric(
    "gauge",
    "restart_needed",
    [],
    "1 if the configuration was reloaded and part of it takes effect only at a start; else 0.",
  ),
  build: metric(
    "gauge",
    "build_info",
    ["version", "node"],
    "Always 1; the labels are the versions of the service and of Node.js.",
  ),
} as const;
