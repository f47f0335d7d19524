import { isObject, type JsonObject, type MemberPath, member, valueAt } from "../jws/json.js";
import { memberPath, pointerTo } from "../jws/json-pointer.js";
import { Issuers } from "../keys/issuers.js";
import { printableJson, printableList } from "../util/printable.js";
import { formatDuration, formatSpan } from "../util/units.js";
import type { Rule, RuleContext } from "./realm.js";

/** Largest time accepted in a claim: the last second of the year 9999. */
export const LAST_SECOND = 253_402_300_799;

/** Whether a value is a time (RFC 7519 NumericDate): a number from 0 to the end of the year 9999, fractions included. */
export function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= LAST_SECOND;
}

/** Whether a value is a string. */
export const isString = (value: unknown): value is string => typeof value === "string";

/** Whether a value is an audience (RFC 7519, section 4.1.3): a string, or a non-empty list of strings. */
export function isAudience(value: unknown): value is string | string[] {
  return isString(value) || (Array.isArray(value) && value.length > 0 && value.every(isString));
}

/** The claim must be present with any value, null included. @param claim a name, or a JSON Pointer */
export function required(claim: string): Rule {
  const path = memberPath(claim);
  return {
    dependsOn: "token",
    check: `${claim} present`,
    reason: "CLAIM_MISSING",
    claim,
    test: (claims) => valueAt(claims, path) !== undefined,
    detail: (claims) => (valueAt(claims, path) === undefined ? whereItEnds(claims, path) : ""),
  };
}

/** Where a path without a value ends; empty if there is no more to say than that the claim is missing. */
function whereItEnds(claims: JsonObject, path: MemberPath): string {
  const [name = ""] = path;
  if (path.length === 1) {
    const steps = name.split(".");
    const isPath = steps.length > 1 && valueAt(claims, steps) !== undefined;
    return isPath ? `The token has '${pointerTo(steps)}', and '${name}' is one member's name.` : "";
  }
  const steps = path.findIndex((_name, at) => valueAt(claims, path.slice(0, at + 1)) === undefined);
  if (steps === 0) return `There is no '${name}' in the token.`;
  const within = path.slice(0, steps);
  if (isObject(valueAt(claims, within))) return `'${pointerTo(within)}' has no member '${path[steps]}'.`;
  return `'${pointerTo(within)}' is no object.`;
}

/** The claim, if present, must have a type. */
export function typed(claim: string, is: (value: unknown) => boolean): Rule {
  return {
    dependsOn: "token",
    check: `${claim} type`,
    reason: "CLAIM_MISTYPED",
    claim,
    test: (claims) => !Object.hasOwn(claims, claim) || is(claims[claim]),
    ...(is === isTime && { detail: milliseconds(claim) }),
  };
}

const at = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** Makes the detail of a claim that must be a time: that its number is one in milliseconds, if it is; empty for others. */
function milliseconds(claim: string) {
  return (claims: JsonObject): string => {
    const value = member(claims, claim);
    if (isTime(value) || typeof value !== "number" || !isTime(value / 1000)) return "";
    return `'${claim}' reads like milliseconds (${at(value / 1000)}); a JWT has seconds (RFC 7519, section 2).`;
  };
}

/** Makes the detail of a time claim: how far it is from now. */
function distance(claim: string) {
  return (claims: JsonObject, { seconds }: RuleContext): string => {
    const time = member(claims, claim);
    if (!isTime(time)) return `There is no time in '${claim}'.`;
    const away = Math.round(Math.abs(time - seconds));
    return `'${claim}' is ${at(time)}, ${formatSpan(away)} ${time > seconds ? "from now" : "ago"}.`;
  };
}

/**
 * By how many seconds `iat` or `nbf`, the later of the two, is ahead of now; 0 if neither is. Issuers usually write no time
 * ahead of their own clock.
 */
export function secondsAhead(claims: JsonObject, seconds: number): number {
  const iat = member(claims, "iat");
  const nbf = member(claims, "nbf");
  return Math.max(0, isTime(iat) ? iat - seconds : 0, isTime(nbf) ? nbf - seconds : 0);
}

/** Largest error of a clock in seconds; a time further ahead is taken as intended. */
const MAX_SKEW = 600;

/** Makes the hint that the issuer's clock is ahead, if the token's `iat` is in the future. */
function clockAhead(claims: JsonObject, { seconds }: RuleContext): string {
  const iat = member(claims, "iat");
  const ahead = isTime(iat) ? Math.round(iat - seconds) : 0;
  return ahead >= 1 && ahead <= MAX_SKEW ? `This issuer's clock is ${formatSpan(ahead)} ahead of ours.` : "";
}

/** `exp` must be after now (RFC 7519, section 4.1.4). @param tolerance seconds for which it may have passed */
export function notExpired(tolerance = 0): Rule {
  return {
    check: "expiry",
    reason: "TOKEN_EXPIRED",
    claim: "exp",
    test: (claims, { seconds }) => {
      const exp = member(claims, "exp");
      return !isTime(exp) || exp > seconds - tolerance;
    },
    detail: distance("exp"),
  };
}

/** `nbf` must not be after now (RFC 7519, section 4.1.5). @param tolerance seconds by which it may be */
export function notBefore(tolerance = 0): Rule {
  return {
    check: "not before",
    reason: "TOKEN_NOT_YET_VALID",
    claim: "nbf",
    test: (claims, { seconds }) => {
      const nbf = member(claims, "nbf");
      return !isTime(nbf) || nbf <= seconds + tolerance;
    },
    hint: clockAhead,
    detail: distance("nbf"),
  };
}

/** `iat` must not be after now. */
export function issuedInPast(): Rule {
  return {
    check: "issued in the past",
    reason: "ISSUED_IN_FUTURE",
    claim: "iat",
    test: (claims, { seconds }) => {
      const iat = member(claims, "iat");
      return !isTime(iat) || iat <= seconds;
    },
    hint: clockAhead,
    detail: distance("iat"),
  };
}

/**
 * `exp` must be at most `max` seconds after `iat`. An `iat` in the future counts as at most {@link MAX_SKEW} ahead; otherwise
 * it could extend the lifetime without limit.
 */
export function lifetime(max: number): Rule {
  return {
    check: "lifetime",
    reason: "LIFETIME_TOO_LONG",
    claim: "exp",
    test: (claims, { seconds }) => {
      const iat = member(claims, "iat");
      const exp = member(claims, "exp");
      return !isTime(iat) || !isTime(exp) || exp - Math.min(iat, seconds + MAX_SKEW) <= max;
    },
    detail: () => `At most ${formatDuration(max * 1000)} is admitted.`,
  };
}

/**
 * `iss` must equal one of these, where a placeholder stands for the value of a claim; an absent or mistyped `iss` is a
 * mismatch.
 */
export function issuer(allowed: readonly string[]): Rule {
  const issuers = new Issuers(allowed);
  const named = ["iss", ...new Set(issuers.templates.map(({ name }) => name))];
  return {
    dependsOn: "token",
    check: "issuer",
    reason: "ISSUER_MISMATCH",
    claim: "iss",
    test: (claims) => issuers.find(claims) !== undefined,
    detail: (claims) => {
      const values = named.map((name) => `'${name}' is ${printableJson(member(claims, name))}`);
      return `${values.join(", ")}; admitted: ${printableList(allowed)}.`;
    },
  };
}

/** `aud` must equal or include one of these exactly. */
export function audience(allowed: readonly string[]): Rule {
  const set: ReadonlySet<unknown> = new Set(allowed);
  return {
    dependsOn: "token",
    check: "audience",
    reason: "AUDIENCE_MISMATCH",
    claim: "aud",
    test: (claims) => {
      const aud = member(claims, "aud");
      return Array.isArray(aud) ? aud.some((one) => set.has(one)) : set.has(aud);
    },
    detail: (claims) => `'aud' is ${printableJson(member(claims, "aud"))}; admitted: ${printableList(allowed)}.`,
  };
}

/**
 * The header's `typ` must be one of these, compared without case and without a leading `application/` (RFC 7515, section
 * 4.1.9).
 *
 * @param allowed undefined for any
 * @param present whether it must be present
 */
export function headerType(allowed: readonly string[] | undefined, present: boolean): Rule {
  // Lower-cases ASCII only: other characters would turn into ASCII letters (the Kelvin sign into k).
  const plain = (typ: string): string =>
    typ.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()).replace(/^application\//, "");
  const set = allowed && new Set(allowed.map(plain));
  return {
    dependsOn: "token",
    check: "type",
    reason: "TYPE_MISMATCH",
    claim: "typ",
    test: (_claims, { header }) => {
      const typ = member(header, "typ");
      return typ === undefined ? !present : isString(typ) && (set?.has(plain(typ)) ?? true);
    },
    detail: (_claims, { header }) =>
      `'typ' is ${printableJson(member(header, "typ"))}; admitted: ${allowed === undefined ? "any" : printableList(allowed)}.`,
  };
}
