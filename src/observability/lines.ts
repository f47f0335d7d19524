import type { Logger } from "pino";

// Every line that the log of a service can have. docs/reference/log.md is made of these tables, and no other file of src
// writes to the log.

/** Every field that a line can have besides `level`, `time` and `msg`, and what it says. No field ever holds a token or a secret. */
export const FIELDS = {
  added: "The realms, or keys of a realm (by `kid`, or their label: the thumbprint), that were not there before.",
  address: "The caller's address; absent where there is none.",
  admin: "The address that the operators' port is bound to.",
  certificates: "The ports that show a new certificate; `upstream` for what a gateway on its own shows.",
  changed: "The realms of which something changed.",
  claim: "The claim or header parameter concerned; absent where there is none.",
  client:
    "The id of the client that asked, where its secret was good. Of a credential that was refused nothing is told: a secret may stand in the id's place.",
  code: "What OpenSSL or the system says of a TLS handshake that failed; the code of a warning, such as `DEP0005`.",
  cut: "How many calls were still in flight at the end of `drain.timeout`, and were cut.",
  delay: "Milliseconds for which the ports go on accepting.",
  entries: "How many entries were loaded.",
  err: "The error: `type`, `message` and `stack`.",
  faces: "The faces that are shown.",
  failures: "How many times in a row it failed.",
  file: "The file concerned.",
  grpc: "The address that the gRPC service is bound to.",
  http: "The address that the faces are served at.",
  index: "The place of a key in its set, from 0.",
  instance: "The id of the instance that asked, where its secret key was good. A gateway on its own does not know it.",
  issues: "All that is wrong with a configuration, each with its `place` and `message`.",
  items: "How many identical requests of a batch were answered together; absent for one.",
  keys: "The keys of the configuration that differ from those of the start.",
  kid: "The `kid` of the verified token, or of the key; absent where it has none. Where it is unknown (`KEY_UNKNOWN`), or not known yet (`KEYS_UNAVAILABLE`), it is the caller's text: at most 128 characters of it, and what is not printable ASCII as `\\uXXXX`.",
  lack: "What was wanted: `keys`, `instance`, `client` or `user`.",
  left: "Seconds until the last good set of keys counts no more; 0 where none counts.",
  location: "Where keys are fetched: the URL without its query, or the issuer whose metadata say so.",
  metrics: "The address that metrics and probes are served at.",
  millis: "Milliseconds from the request's arrival to its outcome.",
  name: "The kind of a warning, such as `DeprecationWarning`.",
  lines: "How many lines were lost.",
  omitted: "How many lines were left out.",
  outcome: "`verified`, `rejected`, `failed` (no verdict) or `refused` (a face answered without asking).",
  pid: "The id of the process.",
  port: "The port, by the configuration's name.",
  realm:
    "The realm as the caller named it, at most 64 characters: there may be no such realm. What looks like a token is cut in it (`eyJ…`), as in `kid` and `requestId`. Absent where none was asked.",
  reason:
    "Why, where it was rejected or failed: [a name of the catalogue](reasons.md), or `UNKNOWN` for one that this version does not know. Of a connection: `connections` (the port has `limits.connections`) or `address` (the peer has `limits.perAddress`).",
  removed: "The realms, or keys, that are gone.",
  requestId: "The id that the answer carries, in `X-Request-Id` (REST) or `x-request-id` (gRPC).",
  stack: "Where in the program it comes from.",
  status: "The HTTP status, for a face.",
  target: "The realm that judged, where `realm` handed the token on.",
  timeout: "Milliseconds for which calls in flight may finish.",
  upstream: "The gRPC service that is asked.",
  version: "The version of the service.",
  workload: "The names in the certificate that the caller's connection showed, at most 4.",
  why: "What was wrong, in words.",
  via: "The gRPC method or the vendor's face.",
  wait: "Milliseconds for which it is waited at most.",
  warning: "Where the certificate is configured, what is wrong with it, and since or until when.",
} as const;

type Field = keyof typeof FIELDS;
type Level = "info" | "warn" | "error";

/** A line, by its constant message. */
interface Line {
  /** The first is used unless the writer says otherwise. */
  readonly levels: readonly [Level, ...Level[]];
  /** What every such line has. */
  readonly fields: readonly Field[];
  /** What only some have. */
  readonly sometimes?: readonly Field[];
  /** What happened, and what to do where there is something to be done. */
  readonly meaning: string;
}

/** All lines, by their messages. */
export const LINES = {
  ready: {
    levels: ["info"],
    fields: ["version", "pid", "file"],
    sometimes: ["grpc", "http", "admin", "metrics"],
    meaning: "All ports are open. They are told by the configuration's names, those that are configured.",
  },
  asking: {
    levels: ["info"],
    fields: ["upstream"],
    meaning: "A gateway on its own starts: it asks this service.",
  },
  draining: {
    levels: ["info"],
    fields: ["delay", "timeout"],
    meaning: "A signal ends the service: health says NOT_SERVING, as `drain` says.",
  },
  stopped: {
    levels: ["info", "warn"],
    fields: ["cut"],
    meaning:
      "Everything is closed. `warn` where calls were cut: give `drain.timeout` more time, or look at what they waited for.",
  },
  call: {
    levels: ["info", "warn"],
    fields: ["requestId", "via", "outcome", "millis"],
    sometimes: [
      "realm",
      "target",
      "address",
      "client",
      "instance",
      "workload",
      "kid",
      "reason",
      "why",
      "claim",
      "items",
      "status",
    ],
    meaning:
      "A verification, or a request to a face, has ended; written as `log.calls` says (a browser's `preflight` where all are). `warn` where the service's own fault kept it from a verdict. `KEYS_UNAVAILABLE` has a `why`: where it waits for the cooldown the line is `info`, for anybody can bring that about with a made-up `kid`.",
  },
  "calls not logged": {
    levels: ["warn"],
    fields: ["omitted"],
    meaning:
      "Since the last such line, of rejected and refused calls those above 100 in a second; or of calls that failed by the service's own fault.",
  },
  "log lines lost": {
    levels: ["warn"],
    fields: ["lines"],
    meaning:
      "Nobody read standard output for a while: a MiB of lines was kept, and those that came behind it are lost.",
  },
  certificate: {
    levels: ["warn"],
    fields: ["warning"],
    meaning:
      "At a start and after a reload: a certificate expired, is not valid yet, or expires within seven days. Peers refuse it, by their clocks; put another in its place.",
  },
  "handshake failed": {
    levels: ["warn"],
    fields: ["port", "code"],
    sometimes: ["address"],
    meaning: "No TLS connection came about with a client, and it was closed.",
  },
  "too many connections": {
    levels: ["warn"],
    fields: ["port", "reason"],
    sometimes: ["address"],
    meaning:
      "A connection was closed before anything was read of it: the port, or the client's address, has as many as `limits` admit.",
  },
  "refused connections not logged": {
    levels: ["warn"],
    fields: ["omitted"],
    meaning: "Those above 10 in a second, since the last such line.",
  },
  "unexpected fault": {
    levels: ["error"],
    fields: ["err", "via", "requestId"],
    meaning: "A mistake in the service itself; the call was answered INTERNAL (500). Please report it.",
  },
  "unexpected fault while loading": {
    levels: ["error"],
    fields: ["err", "lack"],
    meaning: "The same, while something for a verdict was loaded.",
  },
  "process warning": {
    levels: ["warn"],
    fields: ["name", "why", "stack"],
    sometimes: ["code"],
    meaning: "Node or a library warns of how it is used. Calls are answered as before. Please report it.",
  },
  "process warnings not logged": {
    levels: ["warn"],
    fields: ["omitted"],
    meaning: "Those above 10 in a second, since the last such line.",
  },
  "store made": {
    levels: ["info", "warn"],
    fields: ["file"],
    meaning:
      "At a start: there was no store at this place, and there is a new one now. It knows what the seed has, and of no revocation. Where there was one before, stop the service and restore the backup. `warn` where its `-wal` was still there.",
  },
  "directory seed loaded": {
    levels: ["info"],
    fields: ["file", "entries"],
    meaning: "The store was empty and holds the seed now.",
  },
  "directory seed not read: the store was filled before": {
    levels: ["info"],
    fields: ["file"],
    meaning:
      "A seed fills a new store alone: what was edited in its file since is not in use. Change the directory by `import`. To begin anew with the seed, stop the service and move the store's file away with its `-wal` and `-shm`.",
  },
  "store locked": {
    levels: ["warn"],
    fields: ["file", "wait"],
    meaning:
      "At a start: another process has locked the store. The start waits for it, for so long at most, and then ends with exit code 3. Look for a second service, an import or a backup that works on the file.",
  },
  "directory entry cannot be loaded": {
    levels: ["warn"],
    fields: ["err", "lack"],
    meaning: "A call wanted an entry of the directory and was answered UNAVAILABLE (503).",
  },
  "directory cannot be read": {
    levels: ["warn"],
    fields: ["err"],
    meaning: "When it begins, and about every minute. Verdicts are given from what is known, for `store.staleFor`.",
  },
  "directory cannot be read: no verdicts are given": {
    levels: ["error"],
    fields: ["err"],
    meaning: "The same after `store.staleFor`: every call that needs the directory is UNAVAILABLE (503).",
  },
  "directory can be read again": {
    levels: ["info"],
    fields: ["failures"],
    meaning: "The outage is over.",
  },
  "keys changed": {
    levels: ["info"],
    fields: ["realm", "location", "added", "removed"],
    meaning:
      "An issuer publishes other keys than before; tokens of keys that are gone verify no more. The first set is a change too.",
  },
  "keys cannot be fetched": {
    levels: ["warn"],
    fields: ["realm", "location", "why", "failures", "left"],
    meaning:
      "Told of the first failure in a row, the second, the fourth and so on, and when `why` is another than before. The last good set verifies for `left` seconds more.",
  },
  "keys cannot be fetched: no verdicts are given": {
    levels: ["error"],
    fields: ["realm", "location", "why", "failures"],
    meaning:
      "Once, when `staleIfError` is over, or fetches fail and there never was a set: what needs these keys is UNAVAILABLE (503). A realm with other keys verifies by those what they fit.",
  },
  "keys can be fetched again": {
    levels: ["info"],
    fields: ["realm", "location", "failures"],
    meaning: "The outage is over. Verdicts were given all the while.",
  },
  "keys can be fetched again: verdicts are given": {
    levels: ["info"],
    fields: ["realm", "location", "failures"],
    meaning: "The outage is over, and so is the time without verdicts.",
  },
  "key refused": {
    levels: ["warn"],
    fields: ["realm", "location", "index", "why"],
    sometimes: ["kid"],
    meaning:
      "One key of an issuer's set is not used; the others are. Told when the set changes. The issuer has to mend it.",
  },
  "more keys refused": {
    levels: ["warn"],
    fields: ["realm", "location", "omitted"],
    meaning: "After ten lines `key refused` about one set: so many more of its keys are not used.",
  },
  "key set not saved": {
    levels: ["warn"],
    fields: ["realm", "location", "err", "failures"],
    meaning:
      "The store could not be written. A service that starts while the issuer is down will lack these keys. Told of the first failure in a row, the second, the fourth and so on, whichever set it is of.",
  },
  "key sets can be saved again": {
    levels: ["info"],
    fields: ["failures"],
    meaning: "The store can be written. A set that was not saved is saved when it is fetched next.",
  },
  "saved key set does not open": {
    levels: ["warn"],
    fields: ["realm", "location"],
    meaning:
      "At a start: the set that was saved of these keys is sealed under a master key that is not given, or was altered. It counts as none, and the next fetch replaces it. Should the issuer be down, put the earlier key back into `masterKeys`, after the current one, and restart.",
  },
  "key sets not sealed anew": {
    levels: ["warn"],
    fields: ["err"],
    meaning:
      "At a start: key sets are saved under an earlier master key, and the store could not be written. Leave that key in `masterKeys` until a start has no such line.",
  },
  "old key sets not removed": {
    levels: ["warn"],
    fields: ["err"],
    meaning:
      "The store could not be written. Sets of realms that there are no more stay in it until the next start or reload.",
  },
  "configuration reloaded": {
    levels: ["info"],
    fields: ["file"],
    sometimes: ["added", "removed", "changed", "faces", "certificates"],
    meaning: "A changed configuration is in use: `faces` on a gateway on its own, realms otherwise.",
  },
  "configuration not reloaded": {
    levels: ["error"],
    fields: ["file"],
    sometimes: ["issues", "err"],
    meaning: "A changed configuration was not taken, and the service goes on as before. Mend what `issues` tells.",
  },
  "restart needed": {
    levels: ["warn"],
    fields: ["file", "keys"],
    meaning: "These keys take effect at a start only; the rest was reloaded.",
  },
} as const satisfies Readonly<Record<string, Line>>;

/** The message of a line. */
export type Message = keyof typeof LINES;
type Sometimes<M extends Message> = (typeof LINES)[M] extends { readonly sometimes: readonly (infer F extends Field)[] }
  ? F
  : never;

/** The values of a line's fields. */
export type FieldsOf<M extends Message> = Readonly<
  Record<(typeof LINES)[M]["fields"][number], unknown> & Partial<Record<Sometimes<M>, unknown>>
>;

/** Writes a line. @param level one of the line's; its first where it is left out */
export function tell<M extends Message>(
  log: Logger,
  message: M,
  fields: FieldsOf<M>,
  level: (typeof LINES)[M]["levels"][number] = LINES[message].levels[0],
): void {
  log[level](fields as object, message as string);
}
