import { z } from "zod";
import { isOrigin } from "../http/cors.js";
import { address, duration, wrongAddress } from "./values.js";

// The ports that are opened, and the one that a gateway asks: addresses and TLS, and what is shown over HTTP.

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

/** A port that may be opened: its address, or that and its TLS. @param port the one that is suggested where the address is none */
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

/** The operators' port. */
export const metrics = listener(
  9464,
  "Where Prometheus and probes find `/metrics`, `/healthz` and `/readyz`, and operators the keys in use (`/keys`). Not served when absent.",
);

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

/** The port of the gateway. */
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
  .describe("Where the vendors' REST faces are served, and the contract to browsers. Not served when absent.");

/** The gRPC service that a gateway on its own asks. */
export const upstream = z
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
  .describe("The gRPC service that verifies. Name this gateway under its `trustedProxies`. Required.");
