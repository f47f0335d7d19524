import { createHash, randomUUID } from "node:crypto";
import { z } from "zod";
import { NOW } from "./clock.js";
import { jwkOf } from "./keys.js";
import { makeToken, type TokenSpec } from "./token.js";

// Makes DPoP proofs without src, as RFC 9449 describes them.

/** The request that proofs are for unless a test says otherwise. */
export const PROVEN = { method: "GET", url: "https://api.example/orders" };

/** What differs from a good proof of the key `p256-other` with a random `jti`. */
export interface ProofSpec extends Partial<Omit<TokenSpec, "header" | "claims">> {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly without?: readonly string[];
  readonly withoutHeader?: readonly string[];
}

/** The SHA-256 of a text in base64url. */
export const sha256 = (text: string | Buffer): string => createHash("sha256").update(text).digest("base64url");

/** The RFC 7638 thumbprint of a test key. */
export function thumbprintOf(name: string): string {
  const { crv, e, kty, n, x, y } = jwkOf(name);
  return sha256(JSON.stringify({ crv, e, kty, n, x, y }));
}

/** Makes a proof for a token. */
export function makeProof(token: string, spec: ProofSpec = {}): string {
  const { key = "p256-other", header, claims, without = [], withoutHeader = [], ...others } = spec;
  const drop = (from: Record<string, unknown>, names: readonly string[]) =>
    Object.fromEntries(Object.entries(from).filter(([name]) => !names.includes(name)));
  return makeToken({
    key,
    header: drop({ typ: "dpop+jwt", alg: "ES256", jwk: jwkOf(key), ...header }, withoutHeader),
    claims: drop(
      { jti: randomUUID(), htm: PROVEN.method, htu: PROVEN.url, iat: NOW / 1000, ath: sha256(token), ...claims },
      without,
    ),
    ...others,
  });
}

const text = z.union([z.string(), z.strictObject({ repeat: z.string(), times: z.int() })]);
const object = z.record(z.string(), z.unknown());
const plain = (value: z.output<typeof text>): string =>
  typeof value === "string" ? value : value.repeat.repeat(value.times);

const spec = z.strictObject({
  key: z.string(),
  alg: z.string(),
  header: object,
  claims: object,
  without: z.array(z.string()),
  withoutHeader: z.array(z.string()),
  tamper: z.array(z.string()),
  /** The whole proof, in which {token} stands for the token. */
  text: z.string(),
});

/** The form of a case's proof. */
export const caseProof = z.strictObject({
  /** How the DPoP proof differs from a good one; null for none. */
  dpop: spec.partial().nullable().default({}),
  method: z.string().default(PROVEN.method),
  url: z.string().default(PROVEN.url),
  nonce_required: z.boolean().optional(),
  /** Bytes in base64. */
  client_certificate: z.strictObject({ sha256: z.string().optional(), der: text.optional() }).optional(),
});

/** A `Proof` in the contract's names. Its DPoP proof is another at each reading, since none is accepted twice. */
export function proofMessage(
  token: string,
  { dpop, client_certificate: certificate, ...request }: z.output<typeof caseProof>,
): object {
  const { text: literal, ...others } = dpop ?? {};
  const made = (): string => literal?.replaceAll("{token}", token) ?? makeProof(token, others as ProofSpec);
  return {
    ...(dpop !== null && {
      dpop: {
        ...request,
        get proof() {
          return made();
        },
      },
    }),
    ...(certificate !== undefined && {
      client_certificate: { ...certificate, ...(certificate.der !== undefined && { der: plain(certificate.der) }) },
    }),
  };
}
