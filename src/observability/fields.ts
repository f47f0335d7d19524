/** The fields of lines by name, besides `level`, `time` and `msg`. No field ever contains a token or a secret. */
export const FIELDS = {
  added: "Realms, or keys of a realm (by `kid`, or by thumbprint), that are new.",
  address: "The caller's address; absent for a connection without one.",
  admin: "The address of the operators' port.",
  cause:
    "Why a key is not used, in one word: `malformed`, `contradictory`, `unsupported`, `set aside` (by its own words it is for something else) or `weak` (anyone can sign with it).",
  certificates: "The ports with a new certificate; `upstream` for the client certificate of a gateway on its own.",
  changed: "The realms that changed.",
  claim: "The claim or header parameter concerned; absent if there is none.",
  client:
    "The id of the client that asked, if its secret was good. A refused credential is left out, because a secret may be in place of the id.",
  code: "OpenSSL's or the system's reason for a failed TLS handshake; the code of a warning, such as `DEP0005`.",
  cut: "Calls still in flight at the end of `drain.timeout`, which were cut off.",
  delay: "Milliseconds for which the ports still accept connections.",
  entries: "Number of entries loaded.",
  err: "The error: `type`, `message` and `stack`.",
  faces: "The faces that are served.",
  failures: "Number of consecutive failures.",
  file: "The file concerned.",
  grpc: "The address of the gRPC port.",
  http: "The address of the HTTP port.",
  index: "The position of a key in its set, from 0.",
  instance: "The id of the instance that asked, if its secret key was good. A gateway on its own does not know it.",
  issues: "Everything that is wrong with a configuration, each with its `place` and `message`.",
  items: "Number of identical requests in a batch that were answered together; absent for one.",
  keys: "Keys of the configuration that differ from those at the start.",
  kid: "The `kid` of the verified token, or of the key; absent if it has none. For `KEY_UNKNOWN`, `KEY_WEAK`, `KEY_REFUSED` and `KEYS_UNAVAILABLE` it is unverified text from the token: at most 128 characters, with anything but printable ASCII as `\\uXXXX`.",
  kids: "Keys by `kid`.",
  lack: "What was to be loaded: `keys`, `instance`, `client` or `user`.",
  left: "Seconds until the last good set of keys expires; 0 if there is none.",
  lines: "Number of lines lost.",
  location: "Where keys are fetched from: the URL without its query, or the issuer for discovery.",
  metrics: "The address of the metrics port.",
  millis: "Milliseconds from the request's arrival to its outcome.",
  name: "The kind of a warning, such as `DeprecationWarning`.",
  omitted: "Number of lines left out.",
  outcome:
    "`verified`, `rejected`, `failed` (no verdict), `refused` (a face answered without asking the verifier) or `preflight` (of a browser).",
  pid: "The process id.",
  port: "The port, by its name in the configuration.",
  realm:
    "The realm as the caller named it, at most 64 characters; it may not exist. Absent if the call named none. Text that looks like a token is redacted (`eyJ…`), as in `kid` and `requestId`.",
  reason:
    "Why a token was rejected or has no verdict: [a name of the catalogue](reasons.md), or `UNKNOWN` for one that this version does not know. For a connection: `connections` (the port is at `limits.connections`) or `address` (the peer is at `limits.perAddress`); if it was cut, `refusals` (over 100 of its calls had too many headers, or there was no memory for them), `resets` (its client reset over 100 calls, and more than half of all, before they had a status) or `unread` (its client read neither an answer nor the call's reset within four times `limits.request`).",
  removed: "Realms, or keys, that are gone.",
  requestId: "The id that the answer carries in `X-Request-Id` (REST) or `x-request-id` (gRPC).",
  signed:
    "For a rejection: whether the signature had verified before the reason was found. `false` if anyone may have made the token, for example an expired one whose key is unknown.",
  stack: "Where in the program a warning comes from.",
  status: "The HTTP status, for a call over HTTP.",
  target: "The realm that judged the token, if `realm` routed it there.",
  timeout: "Milliseconds for calls in flight to finish.",
  upstream: "The gRPC service that a gateway asks.",
  version: "The version of the service.",
  via: "The gRPC method, the vendor's face, or `http/` and the method.",
  wait: "Milliseconds to wait at most.",
  warning: "Where a certificate is configured, what is wrong with it, and since or until when.",
  why: "The cause, in words.",
  workload: "The names in the client certificate of the caller's connection, at most 4.",
} as const;

/** The name of a field. */
export type FieldName = keyof typeof FIELDS;
