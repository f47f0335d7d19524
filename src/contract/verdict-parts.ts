import type { ReasonName } from "./reasons.js";

// What verdicts are made of. src/wire turns these into the proto's messages of the same names, and back.

/** A time since 1970, exact to the nanosecond. */
export interface Instant {
  /** Whole seconds since 1970. */
  readonly seconds: number;
  /** Nanoseconds within that second, 0 to 999,999,999. */
  readonly nanos: number;
}

/** The content of a verified token. A claim that is absent, or of another type than RFC 7519 says, is empty or undefined. */
export interface Token {
  /** The `sub` claim. */
  readonly subject: string;
  /** The `iss` claim. */
  readonly issuer: string;
  /** The `aud` claim; one element if the claim is a string. */
  readonly audience: readonly string[];
  /** The `exp` claim, rounded down to the microsecond. */
  readonly expiresAt: Instant | undefined;
  /** The `nbf` claim, rounded down to the microsecond. */
  readonly notBefore: Instant | undefined;
  /** The `iat` claim, rounded down to the microsecond. */
  readonly issuedAt: Instant | undefined;
  /** The `jti` claim. */
  readonly id: string;
  /** The `kid` of the header. */
  readonly keyId: string;
  /** The `alg` of the header: a name of the key's algorithm. */
  readonly algorithm: string;
  /** The payload: the JSON text exactly as signed. */
  readonly payload: string;
  /** What the token is bound to by its `cnf` claim (RFC 7800); undefined for a bearer token. */
  readonly confirmation: Confirmation | undefined;
  /**
   * A slot for the members before `payload` in the form that a transport sends, as a text of one character for each byte. The
   * verifier's tokens have it, and src/wire fills it when it writes a token for the first time; it is a copy, and says nothing
   * of its own. Others have none.
   */
  encoded?: string | undefined;
}

/** The key or the certificate that a token is bound to; both are empty if `cnf` has neither. */
export interface Confirmation {
  /** The RFC 7638 thumbprint of the key of DPoP proofs (RFC 9449, section 6). */
  readonly jkt: string;
  /** The SHA-256 of the client certificate in base64url (RFC 8705, section 3.1). */
  readonly x5tS256: string;
}

/** Who a token is about: a user, a client, or a user acting through a client. */
export interface Principal {
  readonly user: User | undefined;
  readonly client: Client | undefined;
}

/** A person, as the directory or the token describes them. An unknown attribute is undefined, not empty. */
interface User {
  /** Unique within the instance or the issuer. */
  readonly id: string;
  readonly email?: string | undefined;
  /** The display name. */
  readonly name?: string | undefined;
  /** The URL of a picture. */
  readonly avatarUrl?: string | undefined;
  /** The identity provider that the user signed in with, for example `google`. */
  readonly provider?: string | undefined;
  /** Empty in realms without instances. */
  readonly instanceId: string;
  /** The issuer within which the id is unique; empty in realms that look users up in the directory. */
  readonly issuer: string;
}

/** An application that acts for itself or for a user. */
interface Client {
  readonly clientId: string;
}

/** The data behind a verdict, at the time of the call. */
export interface Evidence {
  /** Milliseconds since the realm's keys were fetched, in whole seconds; undefined for configured keys. */
  readonly keySetAge: number | undefined;
  /** Whether the last due fetch of those keys failed. */
  readonly keySetStale: boolean;
  /** The position in the directory's change feed up to which all changes were known; undefined without a directory. */
  readonly position: Position | undefined;
  /**
   * The time at which the token expires for this realm, by the clock of {@link evaluatedAt}; undefined if it never does, and
   * for a token that is bound to a key or a certificate.
   */
  readonly cacheableUntil: Instant | undefined;
  /** Names the key that verified: 16 bytes in base64url; empty for an instance's secret key. */
  readonly trustedKey: string;
  /** Names the settings of the realm: 8 bytes in base64url. */
  readonly realmVersion: string;
  /** The time of the verdict by the service's clock: milliseconds since 1970. */
  readonly evaluatedAt: number;
  /** Milliseconds since the reading began in which the change feed was last read to its end; undefined without a directory. */
  readonly feedAge: number | undefined;
}

/** A place in the directory's change feed. The same number with another mark is a place in another history. */
export interface Position {
  /** The number of changes committed so far. */
  readonly number: number;
  /** 16 random bytes of the commit that raised the feed to this number, in base64url. */
  readonly mark: string;
  /** A slot for its form on the wire, as {@link Token.encoded}. */
  encoded?: string | undefined;
}

/** How a check ended. `skipped`: an earlier check failed. */
export type CheckResult = "passed" | "failed" | "skipped";

/** The result of one check. */
export interface Check {
  /** For example `signature` or `expiry`. */
  readonly name: string;
  /** Undefined for a result of a later version. */
  readonly result: CheckResult | undefined;
  /** The reason of a failed check; undefined for the others, and for a reason of a later version. */
  readonly reason: ReasonName | undefined;
  /** The claim or header parameter that was checked; empty if there is none. */
  readonly claim: string;
  /** What the check found, in English; may be empty. */
  readonly message: string;
}
