import type { Config } from "../../config/load.js";
import { genericSettings } from "../../config/realms.js";
import { memberPath, pointerTo } from "../../jws/json-pointer.js";
import { formatPath } from "../../util/issues.js";
import { quote } from "../../util/printable.js";
import { type ClaimValue, type Condition, isScope } from "../../verifier/conditions.js";
import type { CheckRule, Fault } from "./findings.js";

/** Likely mistakes about the claims that realms without a preset name. */
export const CLAIM_RULES: readonly CheckRule<Pick<Config, "realms">>[] = [
  {
    name: "claim-dotted",
    level: "warning",
    find: ({ realms }) =>
      realms.flatMap((realm) => {
        const { name } = realm;
        const { requiredClaims = [], claims = {} } = genericSettings(realm);
        const named = [
          ...requiredClaims.map((claim, at) => [claim, formatPath(["realms", name, "requiredClaims", at])] as const),
          ...Object.keys(claims).map((claim) => [claim, formatPath(["realms", name, "claims", claim])] as const),
        ];
        return named.flatMap(([claim, place]) => {
          const pointer = pointerLike(claim);
          if (pointer === undefined) return [];
          const message = `is one member of the payload whose name is ${quote(claim)}; the path to a member within members is ${pointer}`;
          return [{ place, message }];
        });
      }),
    fix: "Write a pointer: /realm_access/roles for a member of a member, or /realm_access.roles if the dot belongs to the name.",
  },
  {
    name: "claim-slashes",
    level: "warning",
    find: ({ realms }) =>
      realms.flatMap((realm) => {
        const { requiredClaims = [], claims = {} } = genericSettings(realm);
        return [...requiredClaims, ...Object.keys(claims)]
          .filter((claim) => /^\/.*(?:\/\/|\/$)/.test(claim))
          .map((claim) => ({
            place: `realms.${realm.name}.claims`,
            message: `${quote(claim)} has a step with an empty name: in a pointer a slash of a name is ~1`,
          }));
      }),
    fix: "Write ~1 for each slash that belongs to a name: /resource_access/https:~1~1app.example/roles.",
  },
  {
    name: "claim-pattern",
    level: "warning",
    find: eachCondition((_claim, { oneOf = [], includes = [], includesAny = [], prefix = [] }) =>
      [...oneOf, ...includes, ...includesAny, ...prefix]
        .filter((value) => typeof value === "string" && value.includes("*"))
        .map((value) => `${quote(String(value))} is compared literally: * is not a wildcard`),
    ),
    fix: "Write {prefix: ...} for texts that begin alike, with the separator at its end, or list the values. Name the claim in requiredClaims if any value will do.",
  },
  {
    name: "claim-prefix",
    level: "warning",
    find: eachCondition((_claim, { prefix = [] }) =>
      prefix
        .filter((one) => /[\p{L}\p{N}]$/u.test(one))
        .map((one) => `${quote(one)} also admits ${quote(`${one}-evil`)}: end it with the separator`),
    ),
    fix: "End the prefix with the character that ends the name in it, such as the slash of repo:acme/.",
  },
  {
    name: "claim-words",
    level: "warning",
    find: eachCondition((claim, { includes, includesAny }) => {
      const name = memberPath(claim).at(-1) ?? "";
      const isOther = /scope/i.test(name) && !isScope([name]) && (includes ?? includesAny) !== undefined;
      return isOther ? ["a text in it counts as one member: only scope and scp are read as words"] : [];
    }),
    fix: "Keep it if the issuer writes a list. If it writes words in one text, list the whole texts that you accept, or ask the issuer for scope.",
  },
  {
    name: "claim-type",
    level: "warning",
    find: eachCondition((claim, { oneOf = [], includes = [], includesAny = [] }) => {
      const type = USUAL_TYPES.get(memberPath(claim).at(-1) ?? "");
      if (type === undefined) return [];
      const other = [...oneOf, ...includes, ...includesAny].find((value) => typeof value !== type);
      return other === undefined
        ? []
        : [`is compared with ${typed(other)}, and issuers write ${TYPE_NAMES[type]}: the two are never equal`];
    }),
    fix: "Write the value as the issuer does: in quotes for a text, bare for a number, true or false.",
  },
];

/** The types of claims' values, as JavaScript and as people call them. */
const TYPE_NAMES = { string: "a text", number: "a number", boolean: "true or false" } as const;

/** Claims whose type is easily mistaken: of OpenID Connect Core (section 5.1), of GitHub and of GitLab. */
const USUAL_TYPES: ReadonlyMap<string, keyof typeof TYPE_NAMES> = new Map([
  ...["email_verified", "phone_number_verified"].map((claim) => [claim, "boolean"] as const),
  ...["exp", "nbf", "iat", "auth_time", "updated_at"].map((claim) => [claim, "number"] as const),
  ...["repository_id", "repository_owner_id", "actor_id", "run_id", "run_number", "run_attempt"].map(
    (claim) => [claim, "string"] as const,
  ),
  ...["project_id", "namespace_id", "pipeline_id", "job_id", "ref_protected", "environment_protected"].map(
    (claim) => [claim, "string"] as const,
  ),
]);

const typed = (value: ClaimValue): string =>
  typeof value === "string"
    ? `the text ${quote(value)}`
    : typeof value === "number"
      ? `the number ${value}`
      : `${value}`;

/** The pointer that a name looks like, such as `/a/b` for `a.b`; undefined for a pointer, a URL, and a name without a path. */
function pointerLike(claim: string): string | undefined {
  if (claim.startsWith("/") || claim.includes(":") || !/[./]/.test(claim)) return undefined;
  // JSONPath begins with $, and a pointer in a URL with #.
  const path = claim.split(/[./[\]]+/).filter((step) => step !== "" && step !== "$" && step !== "#");
  return path.length === 0 ? undefined : pointerTo(path);
}

/** Examines each condition on its own. @param examine returns what is wrong with it */
function eachCondition(examine: (claim: string, condition: Condition) => readonly string[]) {
  return ({ realms }: Pick<Config, "realms">): Fault[] =>
    realms.flatMap((realm) =>
      Object.entries(genericSettings(realm).claims ?? {}).flatMap(([claim, condition]) =>
        examine(claim, condition).map((message) => ({
          place: formatPath(["realms", realm.name, "claims", claim]),
          message,
        })),
      ),
    );
}
