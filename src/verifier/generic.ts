import type { Algorithm } from "../jws/algorithms.js";
import { Issuers } from "../keys/issuers.js";
import { subjectOfClaims } from "./claims.js";
import type { Callers, Policy, Rule } from "./realm.js";
import {
  audience,
  type ClaimValue,
  equalsOneOf,
  headerType,
  includes,
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

/** What a claim must be: a value, one of several values, or a list that includes a value. */
export type ClaimRule = ClaimValue | readonly ClaimValue[] | { readonly includes: string };

/** The settings of a realm without a preset; docs/reference/configuration.md explains each. Durations are in milliseconds. */
export interface GenericSettings {
  readonly algorithms: readonly Algorithm[];
  readonly issuer: readonly string[] | null;
  readonly audience: readonly string[] | null;
  readonly typ?: readonly string[] | undefined;
  readonly typRequired: boolean;
  readonly requiredClaims: readonly string[];
  readonly claims: Readonly<Record<string, ClaimRule>>;
  readonly clockTolerance: number;
  readonly maxTokenLength: number;
  readonly maxLifetime?: number | undefined;
  readonly ignoreHeaders: readonly string[];
  readonly callers: Callers;
  readonly explain: Callers | false;
}

/** The registered claims and their types (RFC 7519, section 4.1). */
const TYPES: readonly Rule[] = [
  ...["exp", "nbf", "iat"].map((claim) => typed(claim, isTime)),
  ...["iss", "sub", "jti"].map((claim) => typed(claim, isString)),
  typed("aud", isAudience),
];
const REGISTERED: ReadonlySet<string> = new Set(TYPES.map(({ claim }) => claim));

/** Marks a rule as certain: see {@link Rule.certain}. */
const certain = (rule: Rule): Rule => ({ ...rule, certain: true });

/**
 * Makes the policy of a realm without a preset. Every claim that a setting refers to is required; the registered claims must
 * always have their types.
 */
export function genericPolicy(settings: GenericSettings): Policy {
  const tolerance = settings.clockTolerance / 1000;
  const claimRules = Object.entries(settings.claims);
  const needed = new Set([
    ...settings.requiredClaims,
    ...(settings.issuer === null ? [] : ["iss"]),
    ...(settings.audience === null ? [] : ["aud"]),
    ...(settings.maxLifetime === undefined ? [] : ["iat", "exp"]),
  ]);
  // Their presence is no certain rule: like the conditions themselves, it is checked on signed claims alone.
  const conditional = claimRules.map(([claim]) => claim).filter((claim) => !needed.has(claim));
  return {
    algorithms: settings.algorithms,
    maxTokenLength: settings.maxTokenLength,
    ignoreHeaders: settings.ignoreHeaders,
    callers: settings.callers,
    explain: settings.explain === false ? "nobody" : settings.explain,
    keysOf: "realm",
    clockTolerance: tolerance,
    rules: [
      ...(settings.typ === undefined && !settings.typRequired
        ? []
        : [certain(headerType(settings.typ, settings.typRequired))]),
      ...[...needed].map((claim) => (REGISTERED.has(claim) ? certain(required(claim)) : required(claim))),
      ...conditional.map(required),
      ...TYPES.map(certain),
      certain(notExpired(tolerance)),
      notBefore(tolerance),
      ...(settings.issuer === null ? [] : [certain(issuer(settings.issuer))]),
      ...(settings.audience === null ? [] : [certain(audience(settings.audience))]),
      ...(settings.maxLifetime === undefined ? [] : [certain(lifetime(settings.maxLifetime / 1000))]),
      ...claimRules.map(([claim, rule]) => claimRule(claim, rule)),
    ],
    subject: subjectOfClaims,
    issuers: settings.issuer === null ? null : new Issuers(settings.issuer),
  };
}

function claimRule(claim: string, rule: ClaimRule): Rule {
  if (typeof rule !== "object") return equalsOneOf(claim, [rule]);
  return isList(rule) ? equalsOneOf(claim, rule) : includes(claim, rule.includes);
}

// Array.isArray does not narrow to a readonly list.
const isList = (rule: object): rule is readonly ClaimValue[] => Array.isArray(rule);
