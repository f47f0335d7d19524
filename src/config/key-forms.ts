import { z } from "zod";
import { ALGORITHM_NAMES, type Algorithm, algorithmOf, unavailable } from "../jws/algorithms.js";
import { redactName } from "../util/printable.js";
import { duration, forms, LONGEST_TIMER, oneOrMore, readLater } from "./values.js";

// The forms of an entry of `keys`.

const secret = (what: string) => z.string().min(1).describe(what);
/** A signature algorithm by any of its names; one that the running Node lacks is an issue. */
export const algorithm = z.enum(ALGORITHM_NAMES).transform((name, context): Algorithm => {
  const found = algorithmOf(name) as Algorithm;
  const lack = unavailable(found);
  if (lack !== undefined) context.addIssue({ code: "custom", message: `${name} ${lack}` });
  return found;
});
/** The setting that binds the keys of an entry to issuers of the realm. */
const issuer = {
  issuer: oneOrMore()
    .optional()
    .describe(
      "Issuers, of the realm's, whose tokens the keys verify; a text or a list. Default: all of the realm's. Required in a realm with several issuers and several entries.",
    ),
};
const kid = {
  kid: z
    .string()
    .min(1)
    .optional()
    .describe("Id of the key. A token with a `kid` is tried against keys with that `kid` and keys without one."),
  ...issuer,
};
const alg = {
  alg: algorithm
    .optional()
    .describe(
      "Algorithm that the key verifies. Default for a public key: each algorithm of the realm that fits its type and curve; for a secret: the only one that fits.",
    ),
};
const jsonObject = (what: string) => z.record(z.string(), z.unknown()).describe(what);
const file = (what: string) => z.string().min(1).describe(`File that holds ${what}.`);

/** Header fields that belong to the connection, the message's body, the cookies or the fetch itself, in lower case. */
const OUR_HEADERS =
  /^(?:host|connection|content-.*|transfer-encoding|cookie|te|upgrade|expect|keep-alive|proxy-.*|trailer|if-.*|range)$/;

/** What is wrong with a header field. No message quotes its value. */
function headerFault(name: string, value: unknown): string | undefined {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return "must have a name of letters, digits and -, such as X-Api-Key";
  if (OUR_HEADERS.test(name.toLowerCase())) return "cannot be set: it belongs to the connection or the fetch itself";
  if (typeof value !== "string") return "must be a text: put it in quotes";
  if (value === "") return "must not be empty: is the variable empty that it comes from?";
  return /^[!-~](?:[ -~]*[!-~])?$/.test(value) ? undefined : "must be one line of ASCII, without blanks at its ends";
}

/** The value of a header field. It is read together with its name, since a name may hold a part of a secret. */
const headerValue = z
  .unknown()
  .register(forms, { name: "text", pattern: "^[!-~]([ -~]*[!-~])?$", limits: "", write: String });

/** Header fields to send with each fetch. */
const headers = z.record(z.string(), headerValue).superRefine((fields, ctx) => {
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(fields)) {
    const isTwice = seen.has(name.toLowerCase());
    seen.add(name.toLowerCase());
    const message = isTwice ? "is there twice: capitals do not count" : headerFault(name, value);
    // A missing blank after a colon makes the value a part of the name.
    if (message !== undefined) ctx.addIssue({ code: "custom", message, path: [redactName(name)] });
  }
});

/** Settings of keys that are fetched from an issuer. */
const fetching = {
  refreshMin: duration(1000, LONGEST_TIMER)
    .default(300_000)
    .describe(
      "Shortest time between two fetches. Between `refreshMin` and `refreshMax` the issuer's Cache-Control decides.",
    ),
  refreshMax: duration(1000, LONGEST_TIMER)
    .default(3_600_000)
    .describe("Longest time between two fetches, and longest pause after a failure."),
  staleIfError: duration(1000)
    .default(86_400_000)
    .describe(
      "How long the last good set is used while no other can be fetched. After that the realm gives no verdicts.",
    ),
  cooldown: duration(1000, LONGEST_TIMER)
    .default(30_000)
    .describe("Shortest time between two fetches for an unknown `kid`."),
  timeout: duration(1000, LONGEST_TIMER)
    .default(5000)
    .describe("Time limit of a whole fetch: metadata, keys and redirects together."),
  insecure: z
    .boolean()
    .default(false)
    .describe(
      "Allows plain http and addresses that are not public. A redirect from https to plain http is refused all the same.",
    ),
  private: z
    .boolean()
    .default(false)
    .describe("Allows addresses that are not public, over https: an issuer in your own network."),
  caFile: file("certificates in PEM that are trusted instead of the system's").optional(),
  ...issuer,
  bearerTokenFile: file(
    "a token to send as `Authorization: Bearer`, read for each fetch. It is sent to the URL's own origin only, over https or to this machine",
  ).optional(),
  headers: headers
    .optional()
    .describe(
      "Header fields to send with each fetch, by name, such as `X-Api-Key`; values are secrets. They are sent to the URL's own origin only, over https or to this machine.",
    ),
};

const weak = {
  weak: z
    .boolean()
    .default(false)
    .describe(
      "Takes a secret of 8 bytes or more that another party chose; `check` warns of it. Anyone can guess a short secret from one token.",
    ),
};

/** The setting that says of which uses the keys of a set are taken. */
const use = {
  use: z
    .array(
      z
        .string()
        .min(1)
        .refine((one) => one !== "enc", "enc is for encryption: keys of this use sign no tokens"),
    )
    .min(1)
    .optional()
    .describe(
      "Accepted values of a key's `use`; `none` means an absent `use`. Default: `[sig, none]`. SPIFFE bundles need `[jwt-svid]`.",
    ),
};

/** Forms of a key, each by the member that only it has. */
export const keyForms = {
  secret: z.strictObject({
    secret: secret("HMAC secret as text, at least as long as the hash (HS256: 32 bytes)."),
    ...alg,
    ...kid,
    ...weak,
  }),
  secretBase64: z.strictObject({
    secretBase64: secret("HMAC secret in base64 or base64url, padded or not; line ends in it count for nothing."),
    ...alg,
    ...kid,
    ...weak,
  }),
  secretFile: z.strictObject({
    secretFile: file("an HMAC secret as text; a line end at its end is dropped"),
    ...alg,
    ...kid,
    ...weak,
  }),
  pem: z.strictObject({
    pem: z
      .string()
      .describe(
        "Public key in PEM (`-----BEGIN PUBLIC KEY-----`), a certificate, of which only the key counts, or the bare base64 of either. `\\n` written out is a line end.",
      ),
    ...alg,
    ...kid,
  }),
  pemFile: z.strictObject({ pemFile: file("what `pem` takes"), ...alg, ...kid }),
  jwk: z.strictObject({ jwk: jsonObject("One JSON Web Key (RFC 7517); `kty: oct` is allowed."), ...alg, ...kid }),
  jwkFile: z.strictObject({ jwkFile: file("one JSON Web Key"), ...alg, ...kid }),
  jwks: z.strictObject({
    jwks: jsonObject(
      "Set of public keys (RFC 7517, section 5). Keys for algorithms outside the realm's list are set aside.",
    ),
    ...use,
    ...issuer,
  }),
  jwksFile: z.strictObject({ jwksFile: file("a set of public keys"), ...use, ...issuer }),
  jwksUri: z.strictObject({
    jwksUri: z.string().describe("URL of an issuer's key set, which is fetched and refreshed."),
    ...use,
    ...fetching,
  }),
  x509Uri: z.strictObject({
    x509Uri: z
      .string()
      .describe("URL of a JSON object of `kid` to certificate in PEM; only the certificates' public keys count."),
    ...fetching,
  }),
  discovery: z.strictObject({
    discovery: z
      .string()
      .describe(
        "An issuer whose metadata name its key set (OpenID Connect Discovery, then RFC 8414), or the whole URL of the metadata; a query is kept. The metadata's `issuer` must be the realm's.",
      ),
    ...use,
    ...fetching,
  }),
} as const;

/** Keys of a realm. Each entry is read later, by the form that its members show. */
export const keys = z
  .array(readLater("key", () => z.union(Object.values(keyForms))))
  .min(1)
  .describe("Keys that verify the realm's tokens.");
