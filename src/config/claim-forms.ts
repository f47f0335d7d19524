import { z } from "zod";
import { memberPath, pointerTo } from "../jws/json-pointer.js";
import { claimName } from "../vendors/vendor.js";
import { type Condition, isScope } from "../verifier/conditions.js";
import { requiredBy } from "../verifier/generic.js";

// What a realm without a preset asks of its tokens' claims.

const VALUE = "a text, a number, true or false";

const TOO_LARGE = `must be a number from ${Number.MIN_SAFE_INTEGER} to ${Number.MAX_SAFE_INTEGER}: others lose digits`;

/** Larger numbers lose digits when they are parsed. */
const exactNumber = z.number().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);
const value = z.union([z.string(), exactNumber, z.boolean()], {
  error: ({ input }) => (typeof input === "number" ? TOO_LARGE : `must be ${VALUE}`),
});

const EMPTY_LIST = "must not be an empty list: no token could meet it";
const values = z.array(value).min(1, { error: EMPTY_LIST });
const oneOrMore = z.union([value.transform((one) => [one]), values], {
  error: ({ input }) => valueProblem(input, `must be ${VALUE}, or a list of these`),
});
const EMPTY_PREFIX = "must not be empty: every text begins with an empty one";
const prefix = z.string().min(1, { error: EMPTY_PREFIX });
const prefixes = z.union([prefix.transform((one) => [one]), z.array(prefix).min(1, { error: EMPTY_LIST })], {
  error: ({ input }) => (input === "" ? EMPTY_PREFIX : "must be a text or a list of texts"),
});

/** What is wrong with a value, or with one in a list, where a special message helps; otherwise the given message. */
function valueProblem(input: unknown, otherwise: string): string {
  const list: readonly unknown[] = Array.isArray(input) ? input : [input];
  if (list.length === 0) return EMPTY_LIST;
  return list.some((one) => typeof one === "number" && !exactNumber.safeParse(one).success) ? TOO_LARGE : otherwise;
}

/** The long form of a condition: all that it says must hold. */
const longCondition = z
  .strictObject({
    oneOf: values.optional().describe("Values, one of which the claim equals."),
    includes: oneOrMore.optional().describe("Values that the claim has, all of them."),
    includesAny: oneOrMore.optional().describe("Values of which the claim has at least one."),
    prefix: prefixes.optional().describe("Texts, with one of which the claim begins."),
    absent: z
      .literal(true, { error: "must be true; a claim that must be there is named in requiredClaims" })
      .optional()
      .describe("The claim is not in the token; alone."),
  })
  .refine((given) => Object.keys(given).length > 0, {
    error: "says nothing: give oneOf, includes, includesAny, prefix or absent",
    when: ({ issues }) => issues.length === 0,
  })
  .refine((given) => given.absent === undefined || Object.keys(given).length === 1, {
    error: "absent combines with no other form: leave out absent, or the others",
  });

const condition = z.union([oneOrMore.transform((oneOf): Condition => ({ oneOf })), longCondition], {
  error: ({ input }) =>
    input === null
      ? "must not be null: write {absent: true} for a claim that must not be there"
      : valueProblem(
          input,
          `must be ${VALUE}, a list of these, or a mapping with oneOf, includes, includesAny, prefix or absent`,
        ),
});

/** `requiredClaims`. */
export const requiredClaims = z
  .array(claimName)
  .default(["exp"])
  .describe("Claims that a token must have: names, or JSON Pointers such as `/realm_access/roles`.");

/** `claims`. */
export const claims = z
  .record(claimName, condition)
  .superRefine((conditions, context) => {
    for (const [name, { includes = [], includesAny = [] }] of Object.entries<Condition>(conditions)) {
      const spaced = [...includes, ...includesAny].find((one) => typeof one === "string" && /\s/.test(one));
      if (spaced !== undefined && isScope(memberPath(name))) {
        context.addIssue({
          code: "custom",
          path: [name],
          message: "has white space in a scope: write a list, one scope each",
        });
      }
    }
  })
  .default({})
  .describe(
    "Conditions on claims, by name or JSON Pointer (`/realm_access/roles`); all must hold. A value that the claim equals, a list of such values, or a mapping: `oneOf` (equals one), `includes` (has all: elements of a list, words of a text in `scope` and `scp` only), `includesAny` (has at least one), `prefix` (begins with a text, or with one of a list), `absent: true` (is not in the token). A mapping may combine all but `absent`.",
  );

/** `lenient`. */
export const lenient = z
  .array(z.enum(["nonStringIds", "nullClaims"]))
  .default([])
  .describe(
    "Accepts tokens that break RFC 7519. `nonStringIds`: `sub` and `jti` of any type; a number names the user or the token by its digits, any other type names none. `nullClaims`: `kid` and the claims `iss`, `sub`, `aud`, `exp`, `nbf`, `iat` and `jti` that are null count as absent.",
  );

/** Claims that `claims` wants absent and another setting requires, whether by name or by pointer. */
export function contradictedClaims(
  settings: Parameters<typeof requiredBy>[0] & { readonly claims: Readonly<Record<string, Condition>> },
): readonly string[] {
  const needed = new Set([...requiredBy(settings)].map((name) => pointerTo(memberPath(name))));
  return Object.entries(settings.claims)
    .filter(([name, { absent }]) => absent && needed.has(pointerTo(memberPath(name))))
    .map(([name]) => name);
}
