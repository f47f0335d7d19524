import { z } from "zod";
import { type Algorithm, type AlgorithmName, algorithmOf, namesOf } from "../jws/algorithms.js";
import { issuerFault } from "../keys/issuers.js";
import { claimName, type Vendor } from "../vendors/vendor.js";
import { ACCESS_TOKEN_ALGORITHM, ACCESS_TOKEN_CLAIMS, ACCESS_TOKEN_TYPE, ACCESS_TOKENS } from "../verifier/generic.js";
import { PROOF_ALGORITHMS } from "../verifier/proofs/proof-key.js";
import { claims, lenient, requiredClaims } from "./claim-forms.js";
import { algorithm, keys } from "./key-forms.js";
import { characters, duration, oneOrMore, oneOrMoreOrNull, workloadName } from "./values.js";

// Forms of a realm: any issuer's, with a preset for access tokens or without, a vendor's preset, or a routing realm.

const CALLER_FORMS =
  "must be anyone, instances, clients or {san: [...]} with names such as URI:spiffe://internal.example/web or DNS:web.internal.example";

const san = z
  .array(workloadName())
  .min(1)
  .transform((names) => new Set(names))
  .describe(
    "Workloads, by a name in their certificates: `URI:spiffe://...` exactly, or `DNS:name` in any case. A port needs a `tls` with a `clientCaFile`.",
  );
const callers = z.union([z.enum(["anyone", "instances", "clients"]), z.strictObject({ san })], { error: CALLER_FORMS });
const explain = z
  .union([z.literal(false), callers], { error: `must be false, ${CALLER_FORMS.slice(8)}` })
  .default(false)
  .describe("Who may ask what each check found; `false` for no one.");

/** Who may watch a realm's changes; undefined where the configuration does not say. */
const watch = z
  .enum(["callers", "nobody"])
  .optional()
  .describe(
    "Who may watch the realm's changes (WatchChanges), which a client needs to cache verdicts: its callers, or nobody. A watcher that guesses an id can find out that it was revoked. Default: `callers`, and `nobody` with `callers: anyone`.",
  );

const maxTokenLength = (length: number) =>
  characters()
    .default(length)
    .describe(
      "Longest token, in characters, or as a size such as `16KiB`. It may have 2,000 members and elements, or one for every 8 characters where that is more. For long tokens raise `limits.body`, `limits.headers` and `limits.message` as well.",
    );

/** An algorithm of DPoP proofs, by any of its names. */
const proofAlgorithm = z
  .enum(PROOF_ALGORITHMS.flatMap(namesOf) as [AlgorithmName, ...AlgorithmName[]])
  .transform((name) => algorithmOf(name) as Algorithm);

function checkIssuers(texts: readonly string[] | null, ctx: z.RefinementCtx): void {
  for (const text of texts ?? []) {
    const fault = issuerFault(text);
    if (fault !== undefined) ctx.addIssue({ code: "custom", message: fault });
  }
}

const staleFor = duration(1000)
  .optional()
  .describe(
    "How long the realm gives verdicts from memory while the store cannot be read, if that is shorter than `store.staleFor`.",
  );

/** A realm without a preset: tokens of any issuer. */
export const genericSchema = z.strictObject({
  algorithms: z
    .array(algorithm)
    .min(1)
    .transform((names) => [...new Set(names)])
    .describe(
      "Algorithms that the realm's keys may have. `EdDSA` and `Ed25519` name the same one; ML-DSA needs Node 24.7 or later.",
    ),
  issuer: oneOrMoreOrNull()
    .superRefine(checkIssuers)
    .describe(
      "Accepted values of `iss`, exact but for one placeholder such as `{tid}` in the path or as a whole label of the host, which stands for that claim: 1 to 128 letters, digits, `-`, `.`, `_` and `~` (no dot in a host). `null` turns the check off.",
    ),
  audience: oneOrMoreOrNull().describe(
    "Accepted values of `aud`, exact; a token needs at least one. `null` turns the check off.",
  ),
  typ: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      "Accepted values of the header's `typ`, in any case and without `application/`. A token without `typ` is accepted unless `typRequired`. Not checked when absent.",
    ),
  typRequired: z.boolean().default(false).describe("Rejects tokens without `typ`."),
  requiredClaims,
  claims,
  lenient,
  clockTolerance: duration().default(0).describe("Tolerance for `exp` and `nbf`."),
  maxTokenLength: maxTokenLength(16 * 1024),
  maxLifetime: duration(1000)
    .optional()
    .describe(
      "Longest time from `iat` to `exp`; makes both required. An `iat` more than ten minutes ahead counts as ten minutes ahead. Not checked when absent.",
    ),
  ignoreHeaders: z
    .array(z.enum(["b64", "zip", "enc", "jwk", "jku", "x5u", "x5c", "crit", "typ", "cty"]))
    .default([])
    .describe("Header parameters to ignore: tokens that carry them are read as if they did not."),
  bound: z
    .enum(["refuse", "require", "ignore"])
    .default("refuse")
    .describe(
      "Tokens bound to a key or a certificate (`cnf`; RFC 9449, RFC 8705): `refuse` takes them only with a proof, `require` takes no other tokens, `ignore` takes them as bearer tokens. A proof that is given is checked in any case.",
    ),
  proofAlgorithms: z
    .array(proofAlgorithm)
    .min(1)
    .default([...PROOF_ALGORITHMS])
    .describe("Algorithms that DPoP proofs may have."),
  callers: callers
    .default("anyone")
    .describe(
      "Callers that may ask: anyone, instances by a secret key, clients by their credentials, or workloads by their certificates.",
    ),
  explain,
  watch,
  staleFor,
  keys,
});

/** Reads a check that this preset requires. */
const checked = () =>
  oneOrMore((input) => {
    if (input === undefined) return "is missing: give a text or a list of texts";
    if (input !== null) return "must be a text or a list of texts";
    return "must not be null: RFC 9068, section 4, requires this check. Leave out the preset to turn it off";
  });
const FIXED_TYPE = `must be ${ACCESS_TOKEN_TYPE}, which the preset ${ACCESS_TOKENS} fixes: leave it out`;

/** The preset for access tokens of RFC 9068: the settings of any issuer, with what that profile requires. */
export const accessTokenSchema = genericSchema.extend({
  preset: z
    .literal(ACCESS_TOKENS)
    .describe("Access tokens of RFC 9068, of any issuer: fixes `typ` and the claims that a token must have."),
  algorithms: genericSchema.shape.algorithms
    .default([ACCESS_TOKEN_ALGORITHM])
    .describe(
      `Algorithms that the realm's keys may have (default: ${ACCESS_TOKEN_ALGORITHM}, which RFC 9068, section 2.1, has every issuer support).`,
    ),
  issuer: checked()
    .superRefine(checkIssuers)
    .describe("Accepted values of `iss`, as in a realm without a preset. Required; cannot be `null`."),
  audience: checked().describe(
    "Accepted values of `aud`, exact; a token needs at least one. Required; cannot be `null`.",
  ),
  typ: z
    .array(
      z.string().refine((typ) => /^(?:application\/)?at\+jwt$/i.test(typ), { error: FIXED_TYPE }),
      { error: FIXED_TYPE },
    )
    .min(1, { error: FIXED_TYPE })
    .default([ACCESS_TOKEN_TYPE])
    .describe("The header's `typ`; fixed, in any case and with or without `application/`."),
  typRequired: z
    .literal(true, { error: `must be true, which the preset ${ACCESS_TOKENS} fixes: leave it out` })
    .default(true)
    .describe("Rejects tokens without `typ`; fixed."),
  requiredClaims: z
    .array(claimName)
    .default([])
    .transform((more) => [...new Set([...ACCESS_TOKEN_CLAIMS, ...more])])
    .describe(
      `Claims that a token must have besides ${ACCESS_TOKEN_CLAIMS.map((name) => `\`${name}\``).join(", ")}, by name or JSON Pointer.`,
    ),
  ignoreHeaders: genericSchema.shape.ignoreHeaders
    .unwrap()
    .superRefine((names, ctx) => {
      if (!names.includes("typ")) return;
      ctx.addIssue({ code: "custom", message: `must not name typ, which the preset ${ACCESS_TOKENS} requires` });
    })
    .default([])
    .describe("Header parameters to ignore, all but `typ`: tokens that carry them are read as if they did not."),
});

/** A routing realm: each token goes to the realm whose issuer its `iss` names. */
export const routeSchema = z.strictObject({
  byIssuer: z
    .array(z.string())
    .min(1)
    .describe(
      "Realms without a preset, each with issuers of its own. A token goes to the realm whose issuer its `iss` names: an exact one, or else one whose placeholder it fills.",
    ),
});

const preset = <Name extends string>(name: Name) =>
  z.literal(name).describe("Vendor of the tokens: sets the algorithms, the rules and the face.");

/** A realm of a vendor's preset. */
export const presetSchema = (vendor: Vendor) =>
  z.strictObject({
    preset: preset(vendor.name),
    maxTokenLength: maxTokenLength(vendor.maxTokenLength),
    explain,
    watch,
    staleFor,
    keys: keys.optional(),
    ...vendor.policySettings,
    ...vendor.faceSettings,
  });

/** A preset in a gateway on its own: the face's settings only. */
export const facePresetSchema = (vendor: Vendor) =>
  z.strictObject({
    preset: preset(vendor.name),
    maxTokenLength: maxTokenLength(vendor.maxTokenLength),
    ...vendor.faceSettings,
  });

/**
 * All forms of a realm, for the reference and for editors. The loader uses only the schema that the realm's `preset`
 * names, so that issues are about that form.
 */
export const realmForms = (
  vendors: readonly Vendor[],
): readonly { readonly title: string; readonly schema: z.ZodObject }[] => [
  ...vendors.map((vendor) => ({
    title: `Preset \`${vendor.name}\``,
    schema: withKeysOf(vendor.keysOf, presetSchema(vendor)),
  })),
  { title: `Preset \`${ACCESS_TOKENS}\``, schema: accessTokenSchema },
  { title: "Any other issuer", schema: genericSchema },
  { title: "By issuer", schema: routeSchema },
];

/** Makes `keys` required or absent. The loader reports this with better messages; readers of the schema see it here. */
function withKeysOf(keysOf: "realm" | "instance", schema: z.ZodObject): z.ZodObject {
  return keysOf === "realm" ? schema.extend({ keys }) : schema.omit({ keys: true });
}
