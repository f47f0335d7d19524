import type { Timestamp } from "../../gen/google/protobuf/timestamp.js";
import type { Token } from "../contract/verifier.js";
import { type JsonObject, member } from "../jws/json.js";
import { isString, isTime } from "./rules.js";

/** What the signed bytes of a token say, as the contract's `Token`. */
export function tokenMessage(header: JsonObject, claims: JsonObject, payload: string): Token {
  const aud = member(claims, "aud");
  return {
    subject: text(member(claims, "sub")),
    issuer: text(member(claims, "iss")),
    audience: isString(aud) ? [aud] : Array.isArray(aud) ? aud.filter(isString) : [],
    expiresAt: timestamp(member(claims, "exp")),
    notBefore: timestamp(member(claims, "nbf")),
    issuedAt: timestamp(member(claims, "iat")),
    id: text(member(claims, "jti")),
    keyId: text(member(header, "kid")),
    algorithm: text(member(header, "alg")),
    payload,
  };
}

const text = (value: unknown): string => (isString(value) ? value : "");

/**
 * A time claim as a Timestamp, to the microsecond and rounded down: a number of JSON has no more than that for times
 * of our days, and an expiry must not seem later than it is.
 */
export function timestamp(value: unknown): Timestamp | undefined {
  if (!isTime(value)) return undefined;
  const seconds = Math.floor(value);
  return { seconds: BigInt(seconds), nanos: Math.floor((value - seconds) * 1e6) * 1000 };
}
