import type { Logger } from "pino";
import type { FieldName } from "./fields.js";

// The catalogue of all log lines; docs/reference/log.md is generated from it. All of src writes to the log through tell().

type LogLevel = "info" | "warn" | "error";

/** A log line, by its constant message. */
interface LogLine {
  /** The levels that it may have; the first is the default. */
  readonly levels: readonly [LogLevel, ...LogLevel[]];
  /** The fields that every such line has. */
  readonly fields: readonly FieldName[];
  /** The fields that only some have. */
  readonly sometimes?: readonly FieldName[];
  /** What happened, and what to do about it, if anything. */
  readonly meaning: string;
}

/** All log lines, by message. */
export const LINES = {
  ready: {
    levels: ["info"],
    fields: ["version", "pid", "file"],
    sometimes: ["grpc", "http", "admin", "metrics"],
    meaning: "All ports are open. Each configured port has its address, by its name in the configuration.",
  },
  asking: {
    levels: ["info"],
    fields: ["upstream"],
    meaning: "A gateway on its own starts; these are the services that it asks.",
  },
  "upstream serving": {
    levels: ["info"],
    fields: ["upstream"],
    meaning: "A service that a gateway on its own asks gives verdicts: the gateway sends it calls.",
  },
  "upstream not serving": {
    levels: ["warn"],
    fields: ["upstream", "state", "why"],
    meaning:
      "A service that a gateway on its own asks is `not serving` (it starts, drains, or gives no verdicts), `silent` (it does not answer) or `unreachable`. Calls go to the others; the gateway is not ready if there are none.",
  },
  draining: {
    levels: ["info"],
    fields: ["delay", "timeout"],
    meaning: "A signal stops the service: health says NOT_SERVING, then the ports close as `drain` says.",
  },
  stopped: {
    levels: ["info", "warn"],
    fields: ["cut"],
    meaning:
      "Everything is closed. `warn` if calls were cut off: raise `drain.timeout`, or find out what they waited for.",
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
      "signed",
      "cause",
      "why",
      "claim",
      "items",
      "status",
    ],
    meaning:
      "A verification or a request to a face ended; `log.calls` selects which are logged (a browser's `preflight` with `all`). `warn` if the service, not the caller, is the reason that there is no verdict. `KEYS_UNAVAILABLE` has a `why`, and so has `VERIFIER_UNAVAILABLE` if a gateway could not connect; waiting for the cooldown is `info`, because any client can cause it with a made-up `kid`.",
  },
  "calls not logged": {
    levels: ["warn"],
    fields: ["omitted"],
    meaning:
      "Lines left out since the last such line: rejected and refused calls above 100 per second, or calls above 100 per second that failed because of the service.",
  },
  "log lines lost": {
    levels: ["warn"],
    fields: ["lines"],
    meaning: "The reader of standard output was too slow: 1 MiB of lines was kept, and the lines after that were lost.",
  },
  certificate: {
    levels: ["warn"],
    fields: ["warning"],
    meaning:
      "At a start and after a reload: a certificate has expired, is not valid yet, or expires within seven days. Clients whose clocks agree refuse it; replace the file.",
  },
  "handshake failed": {
    levels: ["warn"],
    fields: ["port", "code"],
    sometimes: ["address"],
    meaning: "The TLS handshake with a client failed, and the connection was closed.",
  },
  "too many connections": {
    levels: ["warn"],
    fields: ["port", "reason"],
    sometimes: ["address"],
    meaning:
      "A connection was closed before anything was read: the port or the client's address is at its limit in `limits`.",
  },
  "connection cut": {
    levels: ["warn"],
    fields: ["port", "reason"],
    sometimes: ["address"],
    meaning:
      "The service closed an open connection because of how its client uses it (gRPC). Other clients are served as before.",
  },
  "refused connections not logged": {
    levels: ["warn"],
    fields: ["omitted"],
    meaning: "Lines left out since the last such line: connections refused or cut above 10 per second.",
  },
  "operator call": {
    levels: ["info"],
    fields: ["requestId", "via", "outcome", "millis"],
    sometimes: ["operator", "address", "reason"],
    meaning:
      "An operator changed or exported something, or was refused: a line without `operator` is of a caller that is none. The audit has every change.",
  },
  "operator call failed": {
    levels: ["error"],
    fields: ["err", "requestId"],
    meaning:
      "The store could not do what an operator asked, or a change that was refused could not be audited. `requestId` is empty if several calls may be concerned.",
  },
  "unexpected fault": {
    levels: ["error"],
    fields: ["err", "via", "requestId"],
    meaning: "A bug in the service; the call was answered INTERNAL (500). Please report it.",
  },
  "unexpected fault while loading": {
    levels: ["error"],
    fields: ["err", "lack"],
    meaning: "A bug in the service while it loaded something for a verdict. Please report it.",
  },
  "process warning": {
    levels: ["warn"],
    fields: ["name", "why", "stack"],
    sometimes: ["code"],
    meaning:
      "A warning from Node.js or a library about how it is used. Calls are answered as before. Please report it.",
  },
  "process warnings not logged": {
    levels: ["warn"],
    fields: ["omitted"],
    meaning: "Lines left out since the last such line: process warnings above 10 per second.",
  },
  "store made": {
    levels: ["info", "warn"],
    fields: ["file"],
    meaning:
      "At a start: there was no store at this place, so the service made one from the seed, without any revocations. If there was a store before, stop the service and restore its backup. `warn` if its `-wal` file was still there.",
  },
  "directory seed loaded": {
    levels: ["info"],
    fields: ["file", "entries"],
    meaning: "The store was empty, and now holds the seed.",
  },
  "directory seed not read: the store was filled before": {
    levels: ["info"],
    fields: ["file"],
    meaning:
      "A seed is loaded into an empty store only, so later edits of its file have no effect. Change the directory with `import`. To start over from the seed, stop the service and move the store's file away with its `-wal` and `-shm`.",
  },
  "store locked": {
    levels: ["warn"],
    fields: ["file", "wait"],
    meaning:
      "At a start: another process has locked the store. The service waits for `wait`, then exits with code 3. Look for a second service, an import or a backup that uses the file.",
  },
  "directory entry cannot be loaded": {
    levels: ["warn"],
    fields: ["err", "lack"],
    meaning: "A call needed an entry of the directory, and was answered UNAVAILABLE (503).",
  },
  "directory cannot be read": {
    levels: ["warn"],
    fields: ["err"],
    meaning: "Logged when it begins, and about once a minute. The service answers from memory for `store.staleFor`.",
  },
  "directory cannot be read: no verdicts are given": {
    levels: ["error"],
    fields: ["err"],
    meaning:
      "The directory has been unreadable for `store.staleFor`: every call that needs it is answered UNAVAILABLE (503).",
  },
  "directory can be read again": {
    levels: ["info"],
    fields: ["failures"],
    meaning: "The outage is over.",
  },
  "directory look-ups fail at once": {
    levels: ["warn"],
    fields: [],
    meaning:
      "The store has answered nothing for two seconds. Until it answers again, calls that need an entry that is not in memory are UNAVAILABLE (503) at once instead of at their deadline; the others are answered.",
  },
  "directory look-ups are tried again": {
    levels: ["info"],
    fields: [],
    meaning: "The store answers again.",
  },
  "waiting for the store": {
    levels: ["warn"],
    fields: ["store", "err"],
    meaning:
      "At a start: the database cannot be reached. The service is not ready, `/readyz` says why, and it tries again every second. Logged when it begins, when the cause changes, and about once a minute.",
  },
  "store went back in time": {
    levels: ["warn"],
    fields: ["restored"],
    meaning:
      "The store's history is another: a copy of its disk was restored, or a standby took over that lacked the last changes. The service read everything again, and gave the store those `restored` revocations of the last 24 hours that it remembered and the store had lost. All other lost changes have to be made again: compare the audit.",
  },
  "revocations cannot be restored": {
    levels: ["error"],
    fields: ["err"],
    meaning:
      "The store's history is another, and the revocations that it lost could not be written to it. They hold in this process, which tries again every second.",
  },
  "replica cannot report": {
    levels: ["warn"],
    fields: ["err"],
    meaning:
      "This service could not write its row to the database, as it does every five seconds. If the write was not even refused, no verdicts are given after `store.staleFor`: a primary that is cut off from its standbys looks like this.",
  },
  "replica can report again": {
    levels: ["info"],
    fields: [],
    meaning: "The row of this service is in the database again.",
  },
  "store cannot be tidied": {
    levels: ["warn"],
    fields: ["err"],
    meaning:
      "Old changes, ended revocations and answers to old requests could not be removed. It is tried again every minute; the store grows until then.",
  },
  "store can be tidied again": {
    levels: ["info"],
    fields: [],
    meaning: "What is no longer needed was removed from the store.",
  },
  "clock differs from the store's": {
    levels: ["warn"],
    fields: ["ours", "stores"],
    meaning:
      "This machine's clock (`ours`) and the database's (`stores`) differ by more than two seconds. Verdicts on `exp` and `nbf` use ours; set the wrong one right.",
  },
  "clock differs from the store's: no verdicts are given": {
    levels: ["error"],
    fields: ["ours", "stores"],
    meaning:
      "The clocks differ by more than `store.maxClockOffset`: the service is not ready, every call is UNAVAILABLE (503), and operators' changes are refused. Set the wrong clock right.",
  },
  "clock agrees with the store's again": {
    levels: ["info"],
    fields: ["ours", "stores"],
    meaning: "The clocks differ by less than two seconds.",
  },
  "keys changed": {
    levels: ["info"],
    fields: ["realm", "location", "added", "removed"],
    meaning:
      "An issuer publishes different keys; tokens signed with removed keys are rejected. Also logged for the first set.",
  },
  "keys cannot be fetched": {
    levels: ["warn"],
    fields: ["realm", "location", "why", "failures", "left"],
    meaning:
      "Logged with exponential back-off (the 1st, 2nd, 4th, 8th… consecutive failure), and whenever `why` changes. The last good set verifies for `left` more seconds.",
  },
  "keys cannot be fetched: no verdicts are given": {
    levels: ["error"],
    fields: ["realm", "location", "why", "failures"],
    meaning:
      "Logged once, when `staleIfError` is over, or if there never was a set: calls that need these keys are answered UNAVAILABLE (503). Other keys of the realm still verify.",
  },
  "keys can be fetched again": {
    levels: ["info"],
    fields: ["realm", "location", "failures"],
    meaning: "The outage is over; the service gave verdicts throughout.",
  },
  "keys can be fetched again: verdicts are given": {
    levels: ["info"],
    fields: ["realm", "location", "failures"],
    meaning: "The outage is over, and the service gives verdicts again.",
  },
  "certificates of keys expired": {
    levels: ["warn"],
    fields: ["realm", "location", "kids"],
    meaning:
      "Keys of an issuer's set are in certificates that have expired. They verify all the same, since trust is that of the URL. Logged once for each key; ask the issuer whether they are still in use.",
  },
  "key refused": {
    levels: ["warn", "info"],
    fields: ["realm", "location", "index", "cause", "why"],
    sometimes: ["kid"],
    meaning:
      "A key of an issuer's set is not used; the others are. Logged when the set changes. Tokens of the key get KEY_REFUSED, or KEY_WEAK if the `cause` is `weak`, until the issuer has replaced it. `info` if the `cause` is `set aside`: the key is for something else, and nothing need be done.",
  },
  "issuers of keys ignored": {
    levels: ["warn"],
    fields: ["realm", "location", "added"],
    meaning:
      "New keys of an issuer's set have an `issuer` that is no text, so they verify tokens of all issuers that their entry is for. Logged when such a key is new. The issuer has to correct it.",
  },
  "more keys refused": {
    levels: ["warn", "info"],
    fields: ["realm", "location", "omitted"],
    meaning:
      "Follows ten `key refused` lines about one set: this many more of its keys are not used. `info` if all of these are set aside.",
  },
  "key set not saved": {
    levels: ["warn"],
    fields: ["realm", "location", "err", "failures"],
    meaning:
      "The store could not be written: a service that starts while the issuer is down will lack these keys. Logged with exponential back-off (the 1st, 2nd, 4th, 8th… consecutive failure of any set), and `key sets can be saved again` on recovery.",
  },
  "key sets can be saved again": {
    levels: ["info"],
    fields: ["failures"],
    meaning: "The store can be written again. A set that was not saved is saved at its next fetch.",
  },
  "client not moved to the new look-up key": {
    levels: ["warn"],
    fields: ["err", "failures"],
    meaning:
      "After `store rekey --data`: a client's secret was shown, and the store could not be written. Its digest stays under the older key, which still counts, until the client shows it again. Logged with exponential back-off (the 1st, 2nd, 4th, 8th… consecutive failure of any client).",
  },
  "saved key set does not open": {
    levels: ["warn"],
    fields: ["realm", "location"],
    meaning:
      "At a start: the saved set is encrypted under a master key that is not configured, or was altered. The service ignores it, and the next fetch replaces it. If the issuer is down, add the earlier key to `masterKeys` after the current one, and restart.",
  },
  "old key sets not removed": {
    levels: ["warn"],
    fields: ["err"],
    meaning:
      "The store could not be written. Key sets of realms that no longer exist stay in it until the next start or reload.",
  },
  "configuration reloaded": {
    levels: ["info"],
    fields: ["file"],
    sometimes: ["added", "removed", "changed", "faces", "certificates"],
    meaning: "A changed configuration is in use. A gateway on its own lists its `faces`; a service lists realms.",
  },
  "configuration not reloaded": {
    levels: ["error"],
    fields: ["file"],
    sometimes: ["issues", "err"],
    meaning: "A changed configuration was refused, and the service keeps the old one. Fix what `issues` lists.",
  },
  "restart needed": {
    levels: ["warn"],
    fields: ["file", "keys"],
    meaning: "These keys take effect only at a start; everything else was reloaded.",
  },
} as const satisfies Readonly<Record<string, LogLine>>;

/** The constant message of a log line. */
type LogMessage = keyof typeof LINES;
type OptionalField<M extends LogMessage> = (typeof LINES)[M] extends {
  readonly sometimes: readonly (infer F extends FieldName)[];
}
  ? F
  : never;

/** The values of a log line's fields. */
export type FieldsOf<M extends LogMessage> = Readonly<
  Record<(typeof LINES)[M]["fields"][number], unknown> & Partial<Record<OptionalField<M>, unknown>>
>;

/** Writes a log line. @param level one of the line's levels; default: the first */
export function tell<M extends LogMessage>(
  log: Logger,
  message: M,
  fields: FieldsOf<M>,
  level: (typeof LINES)[M]["levels"][number] = LINES[message].levels[0],
): void {
  log[level](fields as object, message as string);
}
