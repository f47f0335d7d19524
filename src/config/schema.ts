import { z } from "zod";
import { MAX_REVOCATIONS } from "../directory/sql/write.js";
import { isNetwork } from "../util/client-address.js";
import { VENDORS } from "../vendors/index.js";
import { DEFAULT_MAX_PROOFS } from "../verifier/proofs/replay-memory.js";
import { admin, http, listener, metrics, upstream } from "./port-forms.js";
import { facePresetSchema, realmForms } from "./realm-forms.js";
import { duration, LONGEST_TIMER, rate, readLater, size } from "./values.js";

// The configuration file: names, types, limits, defaults, and a text for each key. `npm run generate` writes
// docs/reference/configuration.md and its JSON Schema from this.

const name = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const log = z
  .strictObject({
    level: z
      .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
      .default("info")
      .describe("Minimum log level."),
    format: z.enum(["json", "pretty"]).default("json").describe("Log format: `json`, or `pretty` for a terminal."),
    calls: z
      .enum(["none", "rejected", "all"])
      .default("rejected")
      .describe(
        "Calls that get a log line. `rejected`: rejected and refused calls, at most 100 lines a second; the rest are counted. Calls that fail because of the service itself are always logged, up to another 100 lines a second.",
      ),
  })
  .prefault({})
  .describe("The log, on standard output.");

const trustedProxies = z
  .array(z.string().refine(isNetwork, { error: "must be an IP address, or a network such as 10.0.0.0/8" }))
  .default([])
  .describe(
    "Peers (IP addresses or networks) whose word for the caller's address is trusted: proxies in front of the faces (`X-Forwarded-For`), and gateways in front of the gRPC service.",
  );

const realms = z
  .record(
    z.string().regex(name, { error: "a realm's name has 1 to 64 letters, digits, dots, dashes and underscores" }),
    readLater("realm", () => z.union(realmForms(VENDORS).map(({ schema }) => schema))),
  )
  .describe("Realms, by name: 1 to 64 letters, digits, dots, dashes and underscores.");

/** Realms of a gateway on its own. */
const faceRealms = z
  .record(
    realms._zod.def.keyType,
    readLater("face realm", () => z.union(VENDORS.map(facePresetSchema))),
  )
  .describe("Realms of the faces, by name: a preset and its face's settings.");

const STALE_FOR = 60_000;

const longStore = z.strictObject({
  url: z
    .string()
    .describe(
      "Long form of the store's address: `sqlite:` and a file, which the service makes when absent; or `postgres://HOST:PORT/DATABASE`, with a unix socket's folder in percent encoding as HOST.",
    ),
  user: z.string().min(1).optional().describe("User of the database, if the URL names none."),
  password: z.string().min(1).optional().describe("Password of that user, if the URL has none."),
  passwordFile: z
    .string()
    .optional()
    .describe("File with the password. It is read for every new connection, so that the password can be changed."),
  schema: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,48}$/, "must be 1 to 49 small letters, digits and `_`, and begin with no digit")
    .optional()
    .describe("Schema of the tables, which holds nothing else (default `token_verifier`)."),
  tls: z
    .union([
      z.literal("off"),
      z.strictObject({
        caFile: z
          .string()
          .optional()
          .describe("Authorities for the database's certificate, in PEM, instead of Node's."),
        serverName: z.string().optional().describe("Name that the certificate must have (default: the host)."),
        certFile: z.string().optional().describe("Certificate of this client, in PEM."),
        keyFile: z.string().optional().describe("Private key of that certificate, in PEM."),
      }),
    ])
    .optional()
    .describe(
      "TLS to the database, always with its certificate checked; `off` for none. Default: on, but off for loopback addresses and unix sockets.",
    ),
  staleFor: duration(1000)
    .default(STALE_FOR)
    .describe(
      "How long the service gives verdicts from memory while the store cannot be read, and how late a revocation may be then. After that every call is UNAVAILABLE (503).",
    ),
  pool: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe(
      "Most connections to the database for look-ups and changes (default 4). The change feed has one more, and long work one each.",
    ),
  maxClockOffset: duration(1000)
    .optional()
    .describe(
      "Most that this machine's clock and the database's may differ (default `30s`). Beyond it, calls are UNAVAILABLE (503), and operators' changes are refused.",
    ),
});

type LongStore = z.output<typeof longStore>;

const store = z
  .union([z.string().transform((url): LongStore => ({ url, staleFor: STALE_FOR })), longStore], {
    error:
      "must be sqlite: and the name of a file, such as sqlite:./data/verifier.db, or postgres://HOST:PORT/DATABASE, or {url: ..., staleFor: ...}",
  })
  .default((): LongStore => ({ url: "sqlite:./data/verifier.db", staleFor: STALE_FOR }))
  .describe(
    "Where the directory is stored: `sqlite:` and a file, which the service makes when absent, or `postgres://...`.",
  );

const limits = z
  .strictObject({
    body: size(1024, 64 * 1024 ** 2)
      .default(64 * 1024)
      .describe("Size of a REST request's body."),
    headers: size(1024, 128 * 1024)
      .default(16 * 1024)
      .describe(
        "Size of all headers of a request or call together, at every port; above: 431, and RESOURCE_EXHAUSTED over gRPC. A gRPC call may have 256 headers, each counted as 32 bytes more than it has; a single one above 64 KiB ends the connection.",
      ),
    message: size(1024, 64 * 1024 ** 2)
      .default(4 * 1024 ** 2)
      .describe(
        "Size of a gRPC message. All messages that are still arriving may hold 16 times as much together, and at least 256 MiB; those of one address a quarter of that.",
      ),
    batch: z.int().min(1).max(100_000).default(1000).describe("Requests in a batch, or in one message of a stream."),
    streams: z
      .int()
      .min(1)
      .max(100_000)
      .default(100)
      .describe(
        "Open streams of the gRPC server. Where this is 16 or more, one address may have three quarters of them; addresses in `trustedProxies` may have all.",
      ),
    watches: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(10_000)
      .describe("Open watches (WatchChanges) of the gRPC server, about 25 KiB each; one connection may have 500."),
    connections: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(10_000)
      .describe("Open connections of each port; further ones are closed at once."),
    perAddress: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1000)
      .describe(
        "Open connections of one address at each port. An IPv6 address counts with its /64 network; addresses in `trustedProxies` are not limited.",
      ),
    idle: duration(1000, LONGEST_TIMER)
      .default(300_000)
      .describe("How long a connection may have no call, and a stream no message."),
    connectionAge: duration(1000, LONGEST_TIMER)
      .default(1_800_000)
      .describe(
        "Age at which a gRPC connection is closed, 10 % more or less: its client opens another, and so finds services that were added meanwhile. Calls in flight have `drain.timeout` to finish, and streams end as SHUTTING_DOWN, for their clients to open again.",
      ),
    request: duration(100, LONGEST_TIMER)
      .default(10_000)
      .describe("How long a request may take to arrive, and the same again for its answer."),
  })
  .prefault({})
  .describe("Limits on what callers may send.");

const failures = z
  .strictObject({
    perClient: rate().default({ count: 20, window: 60_000 }).describe("Failures of one client id from one address."),
    perAddress: rate()
      .default({ count: 100, window: 60_000 })
      .describe("Failures from one address; an IPv6 address counts with its /64 network."),
  })
  .prefault({})
  .describe(
    "Failed credentials allowed within a window of time. Beyond that, calls with a credential from there are answered RATE_LIMITED (429) until the window ends, except credentials that succeeded from there before. Missing credentials do not count.",
  );

const drain = z
  .strictObject({
    delay: duration(0, LONGEST_TIMER)
      .default(5000)
      .describe(
        "How long the ports still accept connections and calls while health reports NOT_SERVING: longer than load balancers take to turn away.",
      ),
    timeout: duration(0, LONGEST_TIMER)
      .default(5000)
      .describe("How long calls in flight may then take to finish. After that they are cut, and the process exits."),
  })
  .prefault({})
  .describe("Shutdown on SIGTERM or SIGINT; a second signal ends the service at once.");

const core = {
  grpc: listener(50_051, "Address of TokenVerifier, health and reflection over gRPC. Not served when absent."),
  http,
  admin,
  metrics,
  store,
  masterKey: z
    .string()
    .optional()
    .describe(
      "Key that seals secrets in the store: 32 bytes in base64 (`openssl rand -base64 32`). Without one there is no store, and so no callers, users or revocations. Give one of `masterKey`, `masterKeyFile` and `masterKeys`.",
    ),
  masterKeyFile: z.string().optional().describe("File that holds the master key."),
  masterKeys: z.array(z.string()).min(1).optional().describe("Master keys: the current key first, then earlier ones."),
  directory: z
    .string()
    .optional()
    .describe("File of the directory seed (YAML). It is loaded into an empty store, and ignored afterwards."),
  log,
  limits,
  failures,
  trustedProxies,
  cache: z
    .strictObject({
      facts: size(0, 64 * 1024 ** 3)
        .default(64 * 1024 ** 2)
        .describe(
          "Memory for tokens that verified before, each with the key that verified it. The default holds some 48,000 tokens of 500 characters in two realms; one realm has at most half.",
        ),
    })
    .prefault({})
    .describe("Caches."),
  proofs: z
    .strictObject({
      max: z
        .int()
        .min(1)
        .max(100_000_000)
        .default(DEFAULT_MAX_PROOFS)
        .describe(
          "DPoP proofs that each realm remembers against a second use, for up to two minutes each, about 23 bytes a proof. At this number, calls with a further proof fail with TOO_MANY_PROOFS.",
        ),
    })
    .prefault({})
    .describe("DPoP proofs (RFC 9449)."),
  revocations: z
    .strictObject({
      max: z
        .int()
        .min(100)
        .max(100_000_000)
        .default(MAX_REVOCATIONS)
        .describe(
          "Most revocations that the store takes, about 22 bytes each in the memory of every process. At this number further ones are refused; the last hundredth is for those by subject, key or all. What the store holds is always loaded.",
        ),
    })
    .prefault({})
    .describe("Revocations."),
  drain,
  realms,
};

/** Configuration of a service; its realms are read one by one later. */
export const coreSchema = z.strictObject(core, {
  error: (issue) =>
    issue.code === "unrecognized_keys" && issue.keys.includes("upstream")
      ? "belongs to a gateway on its own: give --only http with it"
      : undefined,
});

/** Configuration of a gateway on its own: no keys, no store. */
export const gatewaySchema = z.strictObject({
  http,
  upstream,
  metrics,
  log,
  limits,
  trustedProxies,
  drain,
  realms: faceRealms,
});

/** Settings of a service, defaults included, before its realms, keys and files are read. */
export type CoreSettings = z.output<typeof coreSchema>;

/** Settings of a gateway on its own, defaults included, before its realms and files are read. */
export type GatewaySettings = z.output<typeof gatewaySchema>;
