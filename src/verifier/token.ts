import type { Instant, Token } from "../contract/verifier.js";
import { type JsonObject, member } from "../jws/json.js";
import { isString, isTime } from "./rules.js";

/** The content of a token, as the contract has it. */
export function tokenOf(header: JsonObject, claims: JsonObject, payload: string): Token {
  const aud = member(claims, "aud");
  return {
    subject: text(member(claims, "sub")),
    issuer: text(member(claims, "iss")),
    audience: isString(aud) ? [aud] : Array.isArray(aud) ? aud.filter(isString) : [],
    expiresAt: instant(member(claims, "exp")),
    notBefore: instant(member(claims, "nbf")),
    issuedAt: instant(member(claims, "iat")),
    id: text(member(claims, "jti")),
    keyId: text(member(header, "kid")),
    algorithm: text(member(header, "alg")),
    payload,
  };
}

const text = (value: unknown): string => (isString(value) ? value : "");

/**
 * A time claim, rounded down to the microsecond: a double is no more precise for times of this century, and an expiry
 * must not seem later than it is. Undefined for a value that is not a time.
 */
export function instant(value: unknown): Instant | undefined {
  if (!isTime(value)) return undefined;
  const time = value + 0; // -0 becomes 0
  const seconds = Math.floor(time);
  return { seconds, nanos: Math.floor((time - seconds) * 1e6) * 1000 };
}
