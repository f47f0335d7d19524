import type { Confirmation, Instant, Token } from "../contract/verdict-parts.js";
import { type JsonObject, member } from "../jws/json.js";
import { instant, stringClaim } from "./claims.js";
import { confirmationOf } from "./proofs/confirmation.js";
import { isString } from "./rules.js";

/** The content of a token whose signature verified. All but its payload is read from the claims whenever it is asked for. */
export class SignedToken implements Token {
  readonly header: JsonObject;
  readonly claims: JsonObject;
  readonly payload: string;
  #encoded: string | undefined = undefined;

  constructor(header: JsonObject, claims: JsonObject, payload: string) {
    this.header = header;
    this.claims = claims;
    this.payload = payload;
  }

  get subject(): string {
    return stringClaim(this.claims, "sub") ?? "";
  }

  get issuer(): string {
    return stringClaim(this.claims, "iss") ?? "";
  }

  get audience(): readonly string[] {
    const aud = member(this.claims, "aud");
    return isString(aud) ? [aud] : Array.isArray(aud) ? aud.filter(isString) : [];
  }

  get expiresAt(): Instant | undefined {
    return instant(member(this.claims, "exp"));
  }

  get notBefore(): Instant | undefined {
    return instant(member(this.claims, "nbf"));
  }

  get issuedAt(): Instant | undefined {
    return instant(member(this.claims, "iat"));
  }

  get id(): string {
    return stringClaim(this.claims, "jti") ?? "";
  }

  get keyId(): string {
    return stringClaim(this.header, "kid") ?? "";
  }

  get algorithm(): string {
    return stringClaim(this.header, "alg") ?? "";
  }

  get confirmation(): Confirmation | undefined {
    return confirmationOf(this.claims);
  }

  get encoded(): string | undefined {
    return this.#encoded;
  }

  set encoded(bytes: string | undefined) {
    this.#encoded = bytes;
  }
}
