import { z } from "zod";
import { ALGORITHMS } from "../jws/algorithms.js";
import { duration, LONGEST_TIMER, readLater } from "./values.js";

// How the configuration gives a key.

const secret = (what: string) => z.string().min(1).describe(what);
/** The name of a signature algorithm. */
export const algorithm = z.enum(Object.keys(ALGORITHMS) as [keyof typeof ALGORITHMS, ...(keyof typeof ALGORITHMS)[]]);
const kid = {
  kid: z
    .string()
    .min(1)
    .optional()
    .describe("The key's id. Tokens with a `kid` are tried against keys of that `kid` and keys without one."),
};
const alg = {
  alg: algorithm
    .optional()
    .describe("The algorithm that it verifies. Absent: the only one of the realm's that fits its type and curve."),
};
const jsonObject = (what: string) => z.record(z.string(), z.unknown()).describe(what);
const file = (what: string) => z.string().min(1).describe(`A file that holds ${what}.`);

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
    .describe("How long the last good set verifies while no other can be fetched; then the realm gives no verdicts."),
  cooldown: duration(1000, LONGEST_TIMER).default(30_000).describe("From one fetch for an unknown `kid` to the next."),
  timeout: duration(1000, LONGEST_TIMER)
    .default(5000)
    .describe("For a fetch, all of it: metadata, keys and redirections together."),
  insecure: z
    .boolean()
    .default(false)
    .describe(
      "Admits plain http and addresses that are not public, on purpose. What was asked over https leads to no plain http all the same.",
    ),
  caFile: file("certificates, in PEM, that are trusted in the place of the system's").optional(),
};

/** The forms of a key, by the member that tells them apart. */
export const keyForms = {
  secret: z.strictObject({
    secret: secret("An HMAC secret, as text; at least as long as its hash (HS256: 32 bytes)."),
    ...alg,
    ...kid,
  }),
  secretBase64: z.strictObject({ secretBase64: secret("An HMAC secret, in base64."), ...alg, ...kid }),
  secretFile: z.strictObject({
    secretFile: file("an HMAC secret as text; its last line end is dropped"),
    ...alg,
    ...kid,
  }),
  pem: z.strictObject({
    pem: z.string().describe("A public key in PEM (`-----BEGIN PUBLIC KEY-----`)."),
    ...alg,
    ...kid,
  }),
  pemFile: z.strictObject({ pemFile: file("a public key in PEM"), ...alg, ...kid }),
  jwk: z.strictObject({ jwk: jsonObject("One JSON Web Key (RFC 7517); `kty: oct` is allowed."), ...alg, ...kid }),
  jwkFile: z.strictObject({ jwkFile: file("one JSON Web Key"), ...alg, ...kid }),
  jwks: z.strictObject({
    jwks: jsonObject(
      "A set of public keys (RFC 7517, section 5); those for algorithms outside the realm's list are set aside.",
    ),
  }),
  jwksFile: z.strictObject({ jwksFile: file("a set of public keys") }),
  jwksUri: z.strictObject({
    jwksUri: z.string().describe("The URL of an issuer's key set, fetched again and again."),
    ...fetching,
  }),
  discovery: z.strictObject({
    discovery: z
      .string()
      .describe(
        "The URL of an issuer whose metadata say where its keys are (OpenID Connect Discovery, then RFC 8414). Their `issuer` must be the realm's.",
      ),
    ...fetching,
  }),
} as const;

/** The keys of a realm. Each is read later, by the form that its members tell. */
export const keys = z
  .array(readLater("key", () => z.union(Object.values(keyForms))))
  .min(1)
  .describe("The keys that verify the realm's tokens.");
