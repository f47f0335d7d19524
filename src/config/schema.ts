import { z } from "zod";
import { isNetwork } from "../contract/address.js";
import { ALGORITHMS } from "../jws/algorithms.js";
import { VENDORS } from "../vendors/index.js";
import { address, characters, duration, oneOrMoreOrNull, rate, size } from "./values.js";

// The configuration file, as docs/configuration.md explains it: names, types, limits and defaults.

const listener = (what: string) =>
  z
    .union([address(), z.strictObject({ address: address() }).transform((long) => long.address)], {
      error: "must be an address such as 127.0.0.1:8080 or unix:/path, or {address: ...}",
    })
    .optional()
    .describe(what);

const metrics = listener("Where Prometheus and probes find /metrics, /healthz and /readyz.");

const name = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const log = z
  .strictObject({
    level: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
    format: z.enum(["json", "pretty"]).default("json"),
    calls: z.enum(["none", "rejected", "all"]).default("rejected"),
  })
  .prefault({})
  .describe("What is logged: `calls` are verifications; rejected ones are limited per second and the rest counted.");

/** Node's timers hold no more than 2^31 - 1 ms, and fire at once where they are given more. */
const LONGEST_TIMER = 24 * 86_400_000;

const limits = z
  .strictObject({
    body: size(1024, 64 * 1024 ** 2).default(64 * 1024),
    headers: size(1024, 1024 ** 2).default(16 * 1024),
    message: size(1024, 64 * 1024 ** 2).default(4 * 1024 ** 2),
    batch: z.int().min(1).max(100_000).default(1000),
    streams: z.int().min(1).max(100_000).default(100),
    connections: z.int().min(1).max(1_000_000).default(10_000),
    idle: duration(1000, LONGEST_TIMER).default(300_000),
    request: duration(100, LONGEST_TIMER).default(10_000),
  })
  .prefault({})
  .describe("What one caller may ask for: sizes in bytes, `batch` in requests, `streams` open at once.");

const failures = z
  .strictObject({
    perClient: rate().default({ count: 20, window: 60_000 }),
    perAddress: rate().default({ count: 100, window: 60_000 }),
  })
  .prefault({})
  .describe(
    "Failed credentials that are borne: of one client id from one address, and from one address. Missing ones do not count.",
  );

const trustedProxies = z
  .array(z.string().refine(isNetwork, { error: "must be an IP address, or a network such as 10.0.0.0/8" }))
  .default([])
  .describe("Peers whose word for their own callers' addresses is believed: proxies (X-Forwarded-For) and gateways.");

const drain = z
  .strictObject({ delay: duration(0, LONGEST_TIMER).default(1000), timeout: duration(0, LONGEST_TIMER).default(5000) })
  .prefault({})
  .describe("How the service ends on SIGTERM or SIGINT.");

const realms = z
  .record(
    z.string().regex(name, { error: "a realm's name has 1 to 64 letters, digits, dots, dashes and underscores" }),
    z.unknown(),
  )
  .describe("The realms, by name.");

const faces = z
  .partialRecord(z.enum(VENDORS.map((vendor) => vendor.name)), z.string())
  .default({})
  .describe("Realms of other names for the vendors' faces.");

const http = z
  .union([address().transform((at) => ({ address: at, faces: {} })), z.strictObject({ address: address(), faces })], {
    error: "must be an address such as 127.0.0.1:8080, or {address: ..., faces: {...}}",
  })
  .optional()
  .describe("Where the faces are served.");

const store = z
  .union(
    [
      z.string().transform((url) => ({ url, staleFor: 60_000 })),
      z.strictObject({ url: z.string(), staleFor: duration(1000).default(60_000) }),
    ],
    {
      error: "must be sqlite: and the name of a file, such as sqlite:./data/verifier.db, or {url: ..., staleFor: ...}",
    },
  )
  .default({ url: "sqlite:./data/verifier.db", staleFor: 60_000 })
  .describe("Where the directory is kept. `staleFor`: how long verdicts are given while it cannot be read.");

/** The whole configuration but for what is in the realms. */
export const coreSchema = z.strictObject({
  grpc: listener("Where the gRPC service listens."),
  http,
  admin: listener("Where operators find health and reflection apart from the callers' port."),
  metrics,
  store,
  masterKey: z.string().optional().describe("What secrets at rest are sealed with: 32 bytes in base64."),
  masterKeyFile: z.string().optional().describe("A file that holds it."),
  masterKeys: z.array(z.string()).min(1).optional().describe("The current one first, then earlier ones."),
  directory: z.string().optional().describe("A seed (YAML) that is loaded into an empty store."),
  log,
  limits,
  failures,
  trustedProxies,
  cache: z
    .strictObject({ facts: size(0, 64 * 1024 ** 3).default(64 * 1024 ** 2) })
    .prefault({})
    .describe("The memory for what is known of tokens seen before."),
  drain,
  realms,
});

/** The configuration of a gateway on its own: no keys, no store. */
export const gatewaySchema = z.strictObject({
  http,
  upstream: z
    .union([address(), z.strictObject({ address: address() }).transform((long) => long.address)], {
      error: "must be the gRPC service's address such as 10.0.0.5:50051 or unix:/path, or {address: ...}",
    })
    .optional()
    .describe("The gRPC service that verifies."),
  metrics,
  log,
  limits,
  trustedProxies,
  drain,
  realms,
});

const secret = z.string().min(1);
const algorithm = z.enum(Object.keys(ALGORITHMS) as [keyof typeof ALGORITHMS, ...(keyof typeof ALGORITHMS)[]]);
const kid = { kid: z.string().min(1).optional() };
const alg = { alg: algorithm.optional() };

/** How the keys of an issuer are fetched. */
const fetching = {
  refreshMin: duration(1000, LONGEST_TIMER)
    .default(300_000)
    .describe("The shortest time from one fetch to the next; what the issuer's Cache-Control says counts in between."),
  refreshMax: duration(1000, LONGEST_TIMER)
    .default(3_600_000)
    .describe("The longest time from one fetch to the next, and of a pause after a failure."),
  staleIfError: duration(1000)
    .default(86_400_000)
    .describe("How long the last good set verifies while no other can be fetched."),
  cooldown: duration(1000, LONGEST_TIMER).default(30_000).describe("From one fetch for an unknown `kid` to the next."),
  timeout: duration(1000, LONGEST_TIMER).default(5000).describe("For a fetch, all of it."),
  insecure: z.boolean().default(false).describe("Admits plain http and addresses that are not public."),
  caFile: z.string().min(1).optional().describe("Certificates (PEM) that are trusted in the place of the system's."),
};

/** The forms of a key, by the member that tells them apart. */
export const keyForms = {
  secret: z.strictObject({ secret, ...alg, ...kid }),
  secretBase64: z.strictObject({ secretBase64: secret, ...alg, ...kid }),
  secretFile: z.strictObject({ secretFile: z.string().min(1), ...alg, ...kid }),
  pem: z.strictObject({ pem: z.string(), ...alg, ...kid }),
  pemFile: z.strictObject({ pemFile: z.string().min(1), ...alg, ...kid }),
  jwk: z.strictObject({ jwk: z.record(z.string(), z.unknown()), ...alg, ...kid }),
  jwkFile: z.strictObject({ jwkFile: z.string().min(1), ...alg, ...kid }),
  jwks: z.strictObject({ jwks: z.record(z.string(), z.unknown()) }),
  jwksFile: z.strictObject({ jwksFile: z.string().min(1) }),
  jwksUri: z.strictObject({ jwksUri: z.string(), ...fetching }),
  discovery: z.strictObject({ discovery: z.string(), ...fetching }),
} as const;

const keys = z.array(z.unknown()).min(1).describe("The keys that verify the realm's tokens.");
const callers = z.enum(["anyone", "instances", "clients"]);
const explain = z
  .union([z.literal(false), callers], { error: "must be false, anyone, instances or clients" })
  .default(false)
  .describe("Who may ask what each check found.");

const claimValue = z.union([z.string(), z.number(), z.boolean()]);

/** A realm that names no preset: any issuer's tokens. */
export const genericSchema = z.strictObject({
  algorithms: z.array(algorithm).min(1),
  issuer: oneOrMoreOrNull().describe("Exact. null: not checked."),
  audience: oneOrMoreOrNull().describe("Exact; one of them must be in the token's. null: not checked."),
  typ: z.array(z.string().min(1)).min(1).optional(),
  typRequired: z.boolean().default(false),
  requiredClaims: z.array(z.string().min(1)).default(["exp"]),
  claims: z
    .record(
      z.string(),
      z.union([claimValue, z.array(claimValue).min(1), z.strictObject({ includes: z.string().regex(/^\S+$/) })], {
        error: "must be a value, a list of values, or {includes: member}",
      }),
    )
    .default({}),
  clockTolerance: duration().default(0),
  maxTokenLength: characters().default(16 * 1024),
  maxLifetime: duration(1000).optional(),
  ignoreHeaders: z.array(z.enum(["b64", "zip", "enc", "jwk", "jku", "x5u", "x5c", "crit", "typ", "cty"])).default([]),
  callers: callers.default("anyone"),
  explain,
  keys,
});

/** A realm that hands each token to the one realm whose issuer its `iss` names. */
export const routeSchema = z.strictObject({
  byIssuer: z
    .array(z.string())
    .min(1)
    .describe("Realms without a preset, each with issuers of its own: a token goes to the one that its `iss` names."),
});

/** A realm of a vendor's preset, by the vendor's name. */
export const presetSchemas = new Map(
  VENDORS.map((vendor) => [
    vendor.name,
    z.strictObject({
      preset: z.literal(vendor.name),
      maxTokenLength: characters().default(vendor.maxTokenLength),
      explain,
      keys: keys.optional(),
      ...vendor.policySettings,
      ...vendor.faceSettings,
    }),
  ]),
);

/** The same in a gateway on its own: the face's settings alone. */
export const facePresetSchemas = new Map(
  VENDORS.map((vendor) => [
    vendor.name,
    z.strictObject({
      preset: z.literal(vendor.name),
      maxTokenLength: characters().default(vendor.maxTokenLength),
      ...vendor.faceSettings,
    }),
  ]),
);
