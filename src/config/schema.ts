import { z } from "zod";
import { isNetwork } from "../util/client-address.js";
import { VENDORS } from "../vendors/index.js";
import { http, listener, metrics, upstream } from "./port-forms.js";
import { facePresetSchema, realmForms } from "./realm-forms.js";
import { duration, LONGEST_TIMER, rate, readLater, size } from "./values.js";

// The configuration file: names, types, limits and defaults. docs/reference/configuration.md and the JSON Schema beside it
// are made of it, with the text that describes each key.

const name = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const log = z
  .strictObject({
    level: z
      .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
      .default("info")
      .describe("The least level of the lines that are written."),
    format: z.enum(["json", "pretty"]).default("json").describe("How a line is written: JSON, or for people's eyes."),
    calls: z
      .enum(["none", "rejected", "all"])
      .default("rejected")
      .describe(
        "Which calls have a line. `rejected`: those that were rejected or refused; at most 100 a second are written and the rest counted. Of calls that failed by the service's own fault, as many again, whatever is said here.",
      ),
  })
  .prefault({})
  .describe("What is logged, to standard output.");

const trustedProxies = z
  .array(z.string().refine(isNetwork, { error: "must be an IP address, or a network such as 10.0.0.0/8" }))
  .default([])
  .describe(
    "Addresses and networks of peers whose word for their own callers' addresses is believed: proxies before the faces (`X-Forwarded-For`) and gateways before the gRPC service. Nobody else's is.",
  );

const realms = z
  .record(
    z.string().regex(name, { error: "a realm's name has 1 to 64 letters, digits, dots, dashes and underscores" }),
    readLater("realm", () => z.union(realmForms(VENDORS).map(({ schema }) => schema))),
  )
  .describe("The realms, by name: 1 to 64 letters, digits, dots, dashes and underscores.");

/** The same in a gateway on its own. */
const faceRealms = z
  .record(
    realms._zod.def.keyType,
    readLater("face realm", () => z.union(VENDORS.map(facePresetSchema))),
  )
  .describe("The realms of the faces, by name: a preset and the settings of its face.");

const store = z
  .union(
    [
      z.string().transform((url) => ({ url, staleFor: 60_000 })),
      z.strictObject({
        url: z.string().describe("`sqlite:` and the name of a file, which is made when absent; in the long form."),
        staleFor: duration(1000)
          .default(60_000)
          .describe(
            "How long verdicts are given from what is known while the directory cannot be read; after that every call is UNAVAILABLE (503).",
          ),
      }),
    ],
    {
      error: "must be sqlite: and the name of a file, such as sqlite:./data/verifier.db, or {url: ..., staleFor: ...}",
    },
  )
  .default({ url: "sqlite:./data/verifier.db", staleFor: 60_000 })
  .describe("Where the directory is kept: `sqlite:` and the name of a file, which is made when absent.");

/** What one caller may ask for. */
const limits = z
  .strictObject({
    body: size(1024, 64 * 1024 ** 2)
      .default(64 * 1024)
      .describe("The body of a REST request."),
    headers: size(1024, 1024 ** 2)
      .default(16 * 1024)
      .describe("All headers of a request or call together."),
    message: size(1024, 64 * 1024 ** 2)
      .default(4 * 1024 ** 2)
      .describe(
        "A gRPC message. Calls whose messages have not come whole may hold 16 times as much together, and 256 MiB at the least; one address a quarter of that.",
      ),
    batch: z
      .int()
      .min(1)
      .max(100_000)
      .default(1000)
      .describe("The requests in a batch, or in one message of a stream."),
    streams: z
      .int()
      .min(1)
      .max(100_000)
      .default(100)
      .describe(
        "The streams open at this server; of 16 or more, one address may have three quarters; `trustedProxies` all.",
      ),
    connections: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(10_000)
      .describe("The connections open at each port; a further one is closed at once."),
    perAddress: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1000)
      .describe(
        "Those of one address at each port; an IPv6 address counts with its /64 network, and `trustedProxies` not at all.",
      ),
    idle: duration(1000, LONGEST_TIMER)
      .default(300_000)
      .describe("How long a connection may be without a call, and a stream without a message."),
    request: duration(100, LONGEST_TIMER)
      .default(10_000)
      .describe("How long a request may take to arrive, and again to be answered."),
  })
  .prefault({})
  .describe("What one caller may ask for.");

/** How many failed credentials are borne. */
const failures = z
  .strictObject({
    perClient: rate().default({ count: 20, window: 60_000 }).describe("Of one client id from one address."),
    perAddress: rate()
      .default({ count: 100, window: 60_000 })
      .describe("From one address; an IPv6 address counts with its /64 network."),
  })
  .prefault({})
  .describe(
    "Failed credentials that are borne. Above, calls with a credential from there are answered RATE_LIMITED (429) until the window is over, but for credentials that were good from there before. Missing ones do not count.",
  );

/** How the service ends. */
const drain = z
  .strictObject({
    delay: duration(0, LONGEST_TIMER)
      .default(1000)
      .describe("How long the ports go on accepting while health says NOT_SERVING."),
    timeout: duration(0, LONGEST_TIMER).default(5000).describe("How long calls in flight have to finish after that."),
  })
  .prefault({})
  .describe("How the service ends on SIGTERM or SIGINT; a second signal ends it at once.");

const core = {
  grpc: listener(50_051, "Where TokenVerifier, health and reflection are served over gRPC. Not served when absent."),
  http,
  admin: listener(
    50_052,
    "Where operators find health and reflection apart from the callers' port. Not served when absent.",
  ),
  metrics,
  store,
  masterKey: z
    .string()
    .optional()
    .describe(
      "What secrets at rest are sealed with: 32 bytes in base64 (`openssl rand -base64 32`). Without one there is no store: no callers, no users, no revocations. One of `masterKey`, `masterKeyFile` and `masterKeys`.",
    ),
  masterKeyFile: z.string().optional().describe("A file that holds the master key."),
  masterKeys: z.array(z.string()).min(1).optional().describe("Master keys: the current one first, then earlier ones."),
  directory: z
    .string()
    .optional()
    .describe("The file of a directory seed (YAML), loaded into an empty store and ignored later."),
  log,
  limits,
  failures,
  trustedProxies,
  cache: z
    .strictObject({
      facts: size(0, 64 * 1024 ** 3)
        .default(64 * 1024 ** 2)
        .describe("For the tokens that were seen before, and under which key each verified."),
    })
    .prefault({})
    .describe("Memory for what does not change."),
  drain,
  realms,
};

/** The whole configuration but for what is in the realms. */
export const coreSchema = z.strictObject(core, {
  error: (issue) =>
    issue.code === "unrecognized_keys" && issue.keys.includes("upstream")
      ? "belongs to a gateway on its own: give --only http with it"
      : undefined,
});

/** The configuration of a gateway on its own: no keys, no store. */
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
