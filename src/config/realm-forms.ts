import { z } from "zod";
import type { Vendor } from "../vendors/vendor.js";
import { algorithm, keys } from "./key-forms.js";
import { characters, duration, oneOrMoreOrNull, workloadName } from "./values.js";

// What a realm may be: any issuer's, a vendor's, or one that hands tokens on.

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
