import type { Algorithm } from "../jws/algorithms.js";
import { memberPath } from "../jws/json-pointer.js";
import { Issuers } from "../keys/issuers.js";
import { subjectOfAccessToken, subjectOfClaims } from "./claims.js";
import { type Condition, conditionOn, isScope } from "./conditions.js";
import type { Bound, Callers, Policy, Rule } from "./realm.js";
import {
  audience,
  headerType,
  isAudience,
  isString,
  issuer,
  isTime,
  lifetime,
  notBefore,
  notExpired,
  required,
  typed,
} from "./rules.js";

/**
 * Leniency of a realm. `nonStringIds`: `sub` and `jti` may be of any type; a number names by its digits, any other type names
 * nothing. `nullClaims`: registered claims and `kid` that are null count as absent.
 */
export type Leniency = "nonStringIds" | "nullClaims";

/** The preset for access tokens of any issuer that follows RFC 9068. It is no vendor's, and has no face. */
export const ACCESS_TOKENS = "rfc9068";

/** The algorithm that every issuer of them supports (RFC 9068, section 2.1). */
export const ACCESS_TOKEN_ALGORITHM = "RS256";

/** The `typ` that this preset fixes (RFC 9068, section 2.1). */
export const ACCESS_TOKEN_TYPE = "at+jwt";

/** The claims that this preset requires (RFC 9068, section 2.2). */
export const ACCESS_TOKEN_CLAIMS: readonly string[] = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];

/**
 * The settings of a realm without a vendor's preset; docs/reference/configuration.md explains each. Durations are in
 * milliseconds.
 */
export interface GenericSettings {
  /** Undefined for tokens of any form. */
  readonly preset?: typeof ACCESS_TOKENS | undefined;
  readonly algorithms: readonly Algorithm[];
  readonly issuer: readonly string[] | null;
  readonly audience: readonly string[] | null;
  readonly typ?: readonly string[] | undefined;
  readonly typRequired: boolean;
  readonly requiredClaims: readonly string[];
  readonly claims: Readonly<Record<string, Condition>>;
  readonly lenient: readonly Leniency[];
  readonly clockTolerance: number;
  readonly maxTokenLength: number;
  readonly maxLifetime?: number | undefined;
  readonly ignoreHeaders: readonly string[];
  readonly bound: Bound;
  readonly proofAlgorithms: readonly Algorithm[];
  readonly callers: Callers;
  readonly explain: Callers | false;
}

/** The types of the registered claims (RFC 7519, section 4.1). */
const TYPES: readonly Rule[] = [
  ...["exp", "nbf", "iat"].map((claim) => typed(claim, isTime)),
  ...["iss", "sub", "jti"].map((claim) => typed(claim, isString)),
  typed("aud", isAudience),
];
const REGISTERED: ReadonlySet<string> = new Set(TYPES.map(({ claim }) => claim));

/** The registered claims that a realm with `nonStringIds` accepts in any type. */
const IDS: ReadonlySet<string> = new Set(["sub", "jti"]);

/** Marks a rule as certain: see {@link Rule.certain}. */
const certain = (rule: Rule): Rule => ({ ...rule, certain: true });

/** The claims that settings other than `claims` require. */
export function requiredBy(
  settings: Pick<GenericSettings, "requiredClaims" | "issuer" | "audience" | "maxLifetime">,
): ReadonlySet<string> {
  return new Set([
    ...settings.requiredClaims,
    ...(settings.issuer === null ? [] : ["iss"]),
    ...(settings.audience === null ? [] : ["aud"]),
    ...(settings.maxLifetime === undefined ? [] : ["iat", "exp"]),
  ]);
}

/**
 * Makes the policy of a realm without a vendor's preset. Every claim that a setting refers to is required; the registered
 * claims must always have their types. What concerns scopes is judged last, so that its rejection means: genuine, but not
 * enough scope.
 */
export function genericPolicy(settings: GenericSettings): Policy {
  const tolerance = settings.clockTolerance / 1000;
  const isLenient = (leniency: Leniency): boolean => settings.lenient.includes(leniency);
  const needed = requiredBy(settings);
  const requiredRules = [...needed].map(required);
  const conditions = Object.entries(settings.claims).flatMap(([claim, condition]) => [
    ...(condition.absent || needed.has(claim) ? [] : [required(claim)]),
    conditionOn(claim, condition),
  ]);
  return {
    algorithms: settings.algorithms,
    maxTokenLength: settings.maxTokenLength,
    ignoreHeaders: settings.ignoreHeaders,
    nullClaims: isLenient("nullClaims"),
    callers: settings.callers,
    explain: settings.explain === false ? "nobody" : settings.explain,
    keysOf: "realm",
    clockTolerance: tolerance,
    maxLifetime: settings.maxLifetime === undefined ? undefined : settings.maxLifetime / 1000,
    bound: settings.bound,
    proofAlgorithms: settings.proofAlgorithms,
    rules: [
      ...(settings.typ === undefined && !settings.typRequired
        ? []
        : [certain(headerType(settings.typ, settings.typRequired))]),
      ...requiredRules
        .filter((rule) => !isAboutScope(rule))
        .map((rule) => (REGISTERED.has(rule.claim) ? certain(rule) : rule)),
      ...(isLenient("nonStringIds") ? TYPES.filter(({ claim }) => !IDS.has(claim)) : TYPES).map(certain),
      ...(settings.preset === undefined ? [] : [typed("client_id", isString)]),
      certain(notExpired(tolerance)),
      notBefore(tolerance),
      ...(settings.issuer === null ? [] : [certain(issuer(settings.issuer))]),
      ...(settings.audience === null ? [] : [certain(audience(settings.audience))]),
      ...(settings.maxLifetime === undefined ? [] : [certain(lifetime(settings.maxLifetime / 1000))]),
      // Conditions look at signed claims only, and so does the check that their claims are present.
      ...conditions.filter((rule) => !isAboutScope(rule)),
      ...[...requiredRules, ...conditions]
        .filter(isAboutScope)
        .map((rule) => ({ ...rule, afterSubject: true as const })),
    ],
    subject: settings.preset === undefined ? subjectOfClaims : subjectOfAccessToken,
    issuers: settings.issuer === null ? null : new Issuers(settings.issuer),
  };
}

const isAboutScope = ({ claim }: Rule): boolean => isScope(memberPath(claim));
