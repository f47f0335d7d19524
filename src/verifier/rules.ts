import { type JsonObject, member } from "../jws/json.js";
import { isSameNumber, memberText } from "../jws/raw-text.js";
import { printableJson, printableList, truncate } from "../util/printable.js";
import { formatDuration, formatSpan } from "../util/units.js";
import type { Rule, RuleContext } from "./realm.js";

/** The largest time that a claim may give: the last second of the year 9999. */
export const LAST_SECOND = 253_402_300_799;

/** True for what counts as a time (RFC 7519 NumericDate): a number from 0 to the end of the year 9999, fractions kept. */
export function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= LAST_SECOND;
}

/** True for a string. */
export const isString = (value: unknown): value is string => typeof value === "string";

/** True for what RFC 7519, section 4.1.3 admits as an audience: a string, or a list of strings that is not empty. */
export function isAudience(value: unknown): value is string | string[] {
  return isString(value) || (Array.isArray(value) && value.length > 0 && value.every(isString));
}

/** The claim must be there, whatever its value: null counts as present. */
export function required(claim: string): Rule {
  return {
    check: `${claim} present`,
    reason: "CLAIM_MISSING",
    claim,
    test: (claims) => Object.hasOwn(claims, claim),
  };
}

/** The claim, where it is there, must be of a type. */
export function typed(claim: string, is: (value: unknown) => boolean): Rule {
  return {
    check: `${claim} type`,
    reason: "CLAIM_MISTYPED",
    claim,
    test: (claims) => !Object.hasOwn(claims, claim) || is(claims[claim]),
  };
}

const at = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** Says how far a time lies from now. */
function distance(claim: string) {
  return (claims: JsonObject, { seconds }: RuleContext): string => {
    const time = member(claims, claim);
    if (!isTime(time)) return `There is no time in '${claim}'.`;
    const away = Math.round(Math.abs(time - seconds));
    return `'${claim}' is ${at(time)}, ${formatSpan(away)} ${time > seconds ? "from now" : "ago"}.`;
  };
}

/**
 * How far the times that a token was issued and begins at lie ahead of now, in seconds; the further of the two, 0 where
 * neither does. An issuer puts no time there that lies ahead of its own clock, as a rule.
 */
export function secondsAhead(claims: JsonObject, seconds: number): number {
  const times = [member(claims, "iat"), member(claims, "nbf")].filter(isTime);
  return Math.max(0, ...times.map((time) => time - seconds));
}

/** The most seconds that a clock is taken to be off: what lies further ahead is meant so. */
const MOST_SKEW = 600;

/** Says so where an issuer's clock is ahead: its token says that it was issued at a time that has not come. */
function clockAhead(claims: JsonObject, { seconds }: RuleContext): string {
  const iat = member(claims, "iat");
  const ahead = isTime(iat) ? Math.round(iat - seconds) : 0;
  return ahead >= 1 && ahead <= MOST_SKEW ? `This issuer's clock is ${formatSpan(ahead)} ahead of ours.` : "";
}

/** `exp` must lie after now (RFC 7519, section 4.1.4). @param tolerance seconds that the token lives on */
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

/** `nbf` must not lie after now (RFC 7519, section 4.1.5). @param tolerance seconds that it may */
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

/** `iat` must not lie after now. */
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
 * From `iat` to `exp` no more than so many seconds may lie. An `iat` in the future counts as far ahead as a clock may be off: or
 * else it would let a token live for as long as it says.
 */
export function lifetime(max: number): Rule {
  return {
    check: "lifetime",
    reason: "LIFETIME_TOO_LONG",
    claim: "exp",
    test: (claims, { seconds }) => {
      const iat = member(claims, "iat");
      const exp = member(claims, "exp");
      return !isTime(iat) || !isTime(exp) || exp - Math.min(iat, seconds + MOST_SKEW) <= max;
    },
    detail: () => `At most ${formatDuration(max * 1000)} is admitted.`,
  };
}

/** `iss` must be one of these, exactly. Absent or of another type is a mismatch too. */
export function issuer(allowed: readonly string[]): Rule {
  const set: ReadonlySet<unknown> = new Set(allowed);
  return {
    check: "issuer",
    reason: "ISSUER_MISMATCH",
    claim: "iss",
    test: (claims) => set.has(member(claims, "iss")),
    detail: (claims) => `'iss' is ${printableJson(member(claims, "iss"))}; admitted: ${printableList(allowed)}.`,
  };
}

/** One of these must be in `aud`, exactly. */
export function audience(allowed: readonly string[]): Rule {
  const set: ReadonlySet<unknown> = new Set(allowed);
  return {
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

/** A value that a claim may be required to have. */
export type ClaimValue = string | number | boolean;

/** The claim, where it is there, must equal one of these. @param allowed numbers from -(2^53 - 1) to 2^53 - 1 */
export function equalsOneOf(claim: string, allowed: readonly ClaimValue[]): Rule {
  const set: ReadonlySet<unknown> = new Set(allowed);
  return {
    check: `${claim} value`,
    reason: "CLAIM_MISMATCH",
    claim,
    test: (claims, { payload }) => {
      if (!Object.hasOwn(claims, claim)) return true;
      const value = claims[claim];
      if (!set.has(value)) return false;
      // Two numbers may be one to JavaScript.
      return typeof value !== "number" || isSameNumber(memberText(payload, claim) ?? "", String(value));
    },
    detail: (_claims, { payload }) =>
      `'${claim}' is ${truncate(memberText(payload, claim) ?? "absent", 100)}; admitted: ${printableList(allowed)}.`,
  };
}

/** The claim, where it is there, must be a list or a space-separated string (as `scope` is, RFC 8693, section 4.2) that has this member. */
export function includes(claim: string, wanted: string): Rule {
  return {
    check: `${claim} includes`,
    reason: "CLAIM_MISMATCH",
    claim,
    test: (claims) => {
      const value = member(claims, claim);
      if (value === undefined) return true;
      return isString(value) ? value.split(" ").includes(wanted) : Array.isArray(value) && value.includes(wanted);
    },
    detail: (claims) =>
      `'${claim}' is ${printableJson(member(claims, claim))}; ${printableJson(wanted)} must be in it.`,
  };
}

/**
 * The header's `typ` must be one of these: any case, a leading `application/` dropped (RFC 7515, section 4.1.9).
 *
 * @param allowed undefined: any
 * @param present whether it must be there at all
 */
export function headerType(allowed: readonly string[] | undefined, present: boolean): Rule {
  // ASCII alone has a case here: other letters would turn into it (the sign for kelvin into k).
  const plain = (typ: string): string =>
    typ.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()).replace(/^application\//, "");
  const set = allowed && new Set(allowed.map(plain));
  return {
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
