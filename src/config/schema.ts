import { z } from "zod";
import { isNetwork } from "../contract/address.js";
import { isOrigin } from "../gateway/cors.js";
import { VENDORS } from "../vendors/index.js";
import type { Vendor } from "../vendors/vendor.js";
import { algorithm, keys } from "./key-forms.js";
import {
  address,
  characters,
  duration,
  oneOrMoreOrNull,
  rate,
  readLater,
  size,
  workloadName,
  wrongAddress,
} from "./values.js";

// The configuration file: names, types, limits and defaults. docs/reference/configuration.md and the JSON Schema beside it
// are made of it, with the text that describes each key.

const described = (port: number) => address(port).describe("The address, in the long form.");

const file = (what: string) => z.string().min(1).describe(what);

const serverTls = z
  .strictObject({
    certFile: file("The certificate that the port shows, then those that lead to one that clients know, in PEM."),
    keyFile: file("The private key of the first certificate, in PEM, not encrypted."),
    clientCaFile: file("Who signs clients' certificates, in PEM. With it no client connects without one.").optional(),
  })
  .optional()
  .describe("TLS 1.2 or later at this port; without it the port is in the clear. Reloaded when the files change.");

const upstreamTls = z
  .strictObject({
    caFile: file("Who signs the service's certificate, in PEM. Default: the authorities that Node knows.").optional(),
    certFile: file("The certificate that the gateway shows, in PEM; keyFile goes with it.").optional(),
    keyFile: file("Its private key, in PEM, not encrypted.").optional(),
  })
  .optional()
  .describe("Ask over TLS 1.2 or later; without it in the clear. Reloaded when the files change.");

/** @param port the one that is suggested where the address is none */
const listener = (port: number, what: string) =>
  z
    .union(
      [
        address(port).transform((at) => ({ address: at, tls: undefined })),
        z.strictObject({ address: described(port), tls: serverTls }),
      ],
      {
        error: ({ input }) =>
          wrongAddress(
            input,
            `must be an address such as 127.0.0.1:${port} or unix:/path, or {address: ..., tls: {certFile: ..., keyFile: ...}}`,
          ),
      },
    )
    .optional()
    .describe(what);

const metrics = listener(
  9464,
  "Where Prometheus and probes find `/metrics`, `/healthz` and `/readyz`, and operators the keys in use (`/keys`). Not served when absent.",
);

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

/** Node's timers hold no more than 2^31 - 1 ms, and fire at once where they are given more. */
const LONGEST_TIMER = 24 * 86_400_000;

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

const trustedProxies = z
  .array(z.string().refine(isNetwork, { error: "must be an IP address, or a network such as 10.0.0.0/8" }))
  .default([])
  .describe(
    "Addresses and networks of peers whose word for their own callers' addresses is believed: proxies before the faces (`X-Forwarded-For`) and gateways before the gRPC service. Nobody else's is.",
  );

const drain = z
  .strictObject({
    delay: duration(0, LONGEST_TIMER)
      .default(1000)
      .describe("How long the ports go on accepting while health says NOT_SERVING."),
    timeout: duration(0, LONGEST_TIMER).default(5000).describe("How long calls in flight have to finish after that."),
  })
  .prefault({})
  .describe("How the service ends on SIGTERM or SIGINT; a second signal ends it at once.");

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

/** Which names there are is the vendors' affair: the reader checks them. */
const faces = z
  .record(z.string(), z.string())
  .default({})
  .describe(
    "Realms of other names for the vendors' faces, by the vendor's name. Otherwise a face is served where a realm has both the vendor's name and its preset.",
  );

const rpc = z
  .array(z.string())
  .default([])
  .describe(
    "Realms that may be asked for at this port by VerifyToken itself, as JSON or protobuf over HTTP (Connect).",
  );

const cors = z
  .strictObject({
    origins: z
      .array(
        z.string().refine((text) => text === "*" || isOrigin(text), {
          error: 'must be an origin such as https://app.example or http://localhost:3000, or "*"',
        }),
      )
      .min(1)
      .describe('Origins whose pages may ask, each exact; or "*": every page may.'),
    maxAge: duration(0, 86_400_000)
      .default(600_000)
      .describe("How long a browser may remember the answer to its preflight."),
  })
  .optional()
  .describe("Which web pages of other origins may call what `rpc` shows; the faces are as they are.");

const http = z
  .union(
    [
      address(8080).transform((at) => ({
        address: at,
        faces: {},
        rpc: [] as string[],
        cors: undefined,
        tls: undefined,
      })),
      z.strictObject({ address: described(8080), faces, rpc, cors, tls: serverTls }),
    ],
    {
      error: ({ input }) =>
        wrongAddress(
          input,
          "must be an address such as 127.0.0.1:8080, or {address: ..., faces: {...}, rpc: [realm, ...], cors: {origins: [...], maxAge: 10m}, tls: {certFile: ..., keyFile: ...}}",
        ),
    },
  )
  .optional()
  .describe("Where the vendors' REST faces are served, and the contract to browsers. Not served when absent.");

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

/** The whole configuration but for what is in the realms. */
export const coreSchema = z.strictObject({
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
});

/** The configuration of a gateway on its own: no keys, no store. */
export const gatewaySchema = z.strictObject({
  http,
  upstream: z
    .union(
      [
        address(50_051).transform((at) => ({ address: at, tls: undefined })),
        z.strictObject({ address: described(50_051), tls: upstreamTls }),
      ],
      {
        error: ({ input }) =>
          wrongAddress(
            input,
            "must be the gRPC service's address such as 10.0.0.5:50051 or unix:/path, or {address: ..., tls: {...}}",
          ),
      },
    )
    .optional()
    .describe("The gRPC service that verifies. Name this gateway under its `trustedProxies`. Required."),
  metrics,
  log,
  limits,
  trustedProxies,
  drain,
  realms: faceRealms,
});

const CALLER_FORMS =
  "must be anyone, instances, clients or {san: [...]} with names such as URI:spiffe://internal.example/web or DNS:web.internal.example";

const san = z
  .array(workloadName())
  .min(1)
  .transform((names) => new Set(names))
  .describe(
    "Workloads, by a name in their certificates: `URI:spiffe://...` exactly, or `DNS:name` in any case. A port must have a `tls` with a `clientCaFile`.",
  );
const callers = z.union([z.enum(["anyone", "instances", "clients"]), z.strictObject({ san })], { error: CALLER_FORMS });
const explain = z
  .union([z.literal(false), callers], { error: `must be false, ${CALLER_FORMS.slice(8)}` })
  .default(false)
  .describe("Who may ask what each check found; `false`: nobody.");

const maxTokenLength = (length: number) =>
  characters().default(length).describe("The longest token: a bare number is characters.");

const member = z.string().regex(/^\S+$/).describe("The member, a text without white space.");

/** Larger numbers were rounded when they were read: nobody could say what was meant. */
const exactNumber = z.number().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);
const claimValue = z.union([z.string(), exactNumber, z.boolean()]);

/** A realm that names no preset: any issuer's tokens. */
export const genericSchema = z.strictObject({
  algorithms: z.array(algorithm).min(1).describe("The algorithms that its keys may have."),
  issuer: oneOrMoreOrNull().describe("What `iss` must equal; exact. `null`: not checked, said on purpose."),
  audience: oneOrMoreOrNull().describe(
    "What `aud` must hold, at least one of them; exact. `null`: not checked, said on purpose.",
  ),
  typ: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      "What the header's `typ` may be: any case, `application/` dropped. An absent one is accepted unless `typRequired`. Unchecked when absent.",
    ),
  typRequired: z.boolean().default(false).describe("Whether a token without `typ` is rejected."),
  requiredClaims: z.array(z.string().min(1)).default(["exp"]).describe("Claims that a token must have."),
  claims: z
    .record(
      z.string(),
      z.union([claimValue, z.array(claimValue).min(1), z.strictObject({ includes: member })], {
        error: "must be a value (numbers up to 9007199254740991), a list of values, or {includes: member}",
      }),
    )
    .default({})
    .describe(
      "What claims must be, by name: equal to a value, one of a list, or `{includes: member}` for a member of a list or of a text with spaces.",
    ),
  clockTolerance: duration().default(0).describe("How far `exp` and `nbf` may be off."),
  maxTokenLength: maxTokenLength(16 * 1024),
  maxLifetime: duration(1000)
    .optional()
    .describe(
      "The longest time from `iat` to `exp`; both are required then. An `iat` more than ten minutes ahead counts as ten. Unchecked when absent.",
    ),
  ignoreHeaders: z
    .array(z.enum(["b64", "zip", "enc", "jwk", "jku", "x5u", "x5c", "crit", "typ", "cty"]))
    .default([])
    .describe("Header parameters that are read as if they were absent."),
  callers: callers
    .default("anyone")
    .describe(
      "Who may ask: anyone, instances by a secret key, clients by their credentials, or workloads by their certificates.",
    ),
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

const preset = <Name extends string>(name: Name) =>
  z.literal(name).describe("The vendor whose tokens these are: its algorithms, rules and face.");

/** A realm of a vendor's preset. */
export const presetSchema = (vendor: Vendor) =>
  z.strictObject({
    preset: preset(vendor.name),
    maxTokenLength: maxTokenLength(vendor.maxTokenLength),
    explain,
    keys: keys.optional(),
    ...vendor.policySettings,
    ...vendor.faceSettings,
  });

/** The same in a gateway on its own: the face's settings alone. */
export const facePresetSchema = (vendor: Vendor) =>
  z.strictObject({
    preset: preset(vendor.name),
    maxTokenLength: maxTokenLength(vendor.maxTokenLength),
    ...vendor.faceSettings,
  });

/**
 * All that a realm may be, for the reference and for editors. The loader takes the one schema that the realm's own
 * `preset` names, and tells what is wrong by that alone.
 */
export const realmForms = (
  vendors: readonly Vendor[],
): readonly { readonly title: string; readonly schema: z.ZodObject }[] => [
  ...vendors.map((vendor) => ({
    title: `Preset \`${vendor.name}\``,
    schema: withKeysOf(vendor.keysOf, presetSchema(vendor)),
  })),
  { title: "Any other issuer", schema: genericSchema },
  { title: "By issuer", schema: routeSchema },
];

/** The loader says of keys that are missing or too many what to do; whoever only looks at the schema has to see it there. */
function withKeysOf(keysOf: "realm" | "instance", schema: z.ZodObject): z.ZodObject {
  return keysOf === "realm" ? schema.extend({ keys }) : schema.omit({ keys: true });
}
