import { z } from "zod";
import { ROLES } from "../contract/operator.js";
import { isOrigin } from "../http/cors.js";
import { address, duration, workloadName, wrongAddress } from "./values.js";

// Ports: addresses, TLS and what the HTTP port serves; and the service that a gateway asks.

const described = (port: number) => address(port).describe("Address, in the long form.");

const file = (what: string) => z.string().min(1).describe(what);

const serverTls = z
  .strictObject({
    certFile: file("Certificate of the port in PEM, followed by its intermediate certificates."),
    keyFile: file("Private key of the first certificate in PEM, not encrypted."),
    clientCaFile: file(
      "Authorities that sign clients' certificates, in PEM. With it, clients must show a certificate.",
    ).optional(),
  })
  .optional()
  .describe("TLS 1.2 or later at this port. Without it the port is not encrypted. Reloaded when the files change.");

const upstreamTls = z
  .strictObject({
    caFile: file(
      "Authorities that sign the service's certificate, in PEM. Default: those that Node trusts.",
    ).optional(),
    certFile: file("Certificate of the gateway in PEM; needs keyFile.").optional(),
    keyFile: file("Private key of that certificate in PEM, not encrypted.").optional(),
  })
  .optional()
  .describe(
    "TLS 1.2 or later to the service. Without it the connection is not encrypted. Reloaded when the files change.",
  );

/** A port: its address, or an object with its address and TLS. @param port for the example in messages */
export const listener = (port: number, what: string) =>
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

const role = z
  .enum(ROLES)
  .describe(
    "Role of this operator; each allows what the ones before it allow: `read` (look), `revoke` (revoke tokens), `write` (change instances, users and clients), `admin` (export, prune, unrevoke).",
  );

const operatorKeys = z
  .array(
    z.strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
          error: "must have 1 to 64 letters, digits, dots, dashes and underscores",
        })
        .describe("Name of the operator in the audit, as `key:NAME`."),
      file: file(
        "File that holds the key: 32 to 1024 printable characters without white space (`openssl rand -base64 32`). Reloaded when it changes.",
      ),
      role,
    }),
  )
  .min(1)
  .optional()
  .describe("Operators that send a key, as `authorization: Bearer KEY`.");

const operatorCertificates = z
  .array(
    z.strictObject({
      san: workloadName().describe("Name in the client certificate; the operator's name in the audit, as `cert:NAME`."),
      role,
    }),
  )
  .min(1)
  .optional()
  .describe("Operators that show a client certificate. Needs `tls.clientCaFile`.");

const ADMIN_FORMS =
  "must be an address such as 127.0.0.1:50052 or unix:/path, or {address: ..., keys: [{name: ..., file: ..., role: ...}], certificates: [{san: ..., role: ...}], tls: {...}}";

/** The operators' port. */
export const admin = z
  .union(
    [
      address(50_052).transform((at) => ({ address: at, tls: undefined, keys: undefined, certificates: undefined })),
      z.strictObject({
        address: described(50_052),
        keys: operatorKeys,
        certificates: operatorCertificates,
        tls: serverTls,
      }),
    ],
    { error: ({ input }) => wrongAddress(input, ADMIN_FORMS) },
  )
  .optional()
  .describe(
    "Address of the operators' services (`tokenverifier.admin.v1`), health and reflection, apart from the callers' port. Without `keys` and `certificates` every caller is an operator of the role `admin`, so only a loopback address or `unix:` is accepted then. Not served when absent.",
  );

/** The port of metrics and probes. */
export const metrics = listener(
  9464,
  "Address of `/metrics` for Prometheus, `/healthz` and `/readyz` for probes, and `/keys`, the keys in use. Not served when absent.",
);

/** The reader checks the names against the vendors. */
const faces = z
  .record(z.string(), z.string())
  .default({})
  .describe(
    "Realm that a vendor's face asks, by the vendor's name. Default: the realm with the vendor's name and preset; without one the face is not served.",
  );

const rpc = z
  .array(z.string())
  .default([])
  .describe("Realms that VerifyToken serves at this port, as JSON or protobuf over HTTP (Connect).");

const cors = z
  .strictObject({
    origins: z
      .array(
        z.string().refine((text) => text === "*" || isOrigin(text), {
          error: 'must be an origin such as https://app.example or http://localhost:3000, or "*"',
        }),
      )
      .min(1)
      .describe('Origins whose pages may call, each exact; or "*" for every page.'),
    maxAge: duration(0, 86_400_000)
      .default(600_000)
      .describe("How long a browser may cache the answer to a preflight request."),
  })
  .optional()
  .describe("Web pages of other origins that may call the realms in `rpc`. Faces are not affected.");

/** The HTTP port. */
export const http = z
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
  .describe("Address of the vendors' REST faces, and of VerifyToken over HTTP. Not served when absent.");

const addresses = z.union([address(50_051).transform((at) => [at]), z.array(address(50_051)).min(1)], {
  error: ({ input }) =>
    wrongAddress(
      input,
      "must be an address such as 10.0.0.5:50051, or a list of them: [10.0.0.5:50051, 10.0.0.6:50051]",
    ),
});

/** The services that a gateway on its own asks. */
export const upstream = z
  .union(
    [
      addresses.transform((address) => ({ address, tls: undefined })),
      z.strictObject({
        address: addresses.describe("Address, or a list of addresses, in the long form."),
        tls: upstreamTls,
      }),
    ],
    {
      error: ({ input }) =>
        wrongAddress(
          input,
          "must be the gRPC service's address such as 10.0.0.5:50051 or unix:/path, a list of addresses, or {address: ..., tls: {...}}",
        ),
    },
  )
  .optional()
  .describe(
    "Address of the gRPC service that verifies, or a list of the addresses of several; a name stands for all of its addresses. Calls go to those that are serving, in turn. List this gateway in that service's `trustedProxies`. Required.",
  );
