import { FAILURES, type FailureCause, type FailureReason, failureMessage } from "../contract/failures.js";
import { type ReasonName, rejectionMessage } from "../contract/reasons.js";
import type {
  Check,
  Verdict as ContractVerdict,
  Credential,
  Evidence,
  Failure,
  Outcome,
  Principal,
  Proof,
  Token,
  VerificationRequest,
} from "../contract/verifier.js";
import { Secret } from "../util/secret.js";
import { statusNumber } from "../wire/catalogue.js";

export type { FailureCause, FailureReason, ReasonName };

/** A token to verify. Name at most one caller, of either kind, if the realm requires it. */
export interface VerifyRequest {
  /** The realm's name; case matters. */
  readonly realm: string;
  /** The token, without `Bearer`. */
  readonly token: string;
  /** Secret key of the calling instance (`sk_live_...`). */
  readonly instanceSecretKey?: string;
  /** Credentials of the calling client. */
  readonly clientCredentials?: { readonly clientId: string; readonly clientSecret: string };
  /** What the sender of a bound token (one with `cnf`) proved to you. A call with a DPoP proof must not be repeated. */
  readonly proof?: TokenProof;
  /** Whether `checks` tells the result of each check (default false; the realm must permit it). */
  readonly explain?: boolean;
}

/** The evidence that the sender of a bound token may use it; a token may need both. */
export interface TokenProof {
  /** The DPoP proof (RFC 9449) of the HTTP request that brought the token. */
  readonly dpop?: {
    /** The value of the request's only `DPoP` header. */
    readonly proof: string;
    /** The request's method, such as `GET`. */
    readonly method: string;
    /** The request's absolute URL, as its sender sees it. */
    readonly url: string;
    /** Whether the proof must hold a nonce of the service; `dpopNonce` of the verdict is then the next one (default false). */
    readonly nonceRequired?: boolean;
  };
  /** The certificate of the TLS connection that brought the token (RFC 8705): its SHA-256, or itself in DER. */
  readonly clientCertificate?: { readonly sha256: Uint8Array } | { readonly der: Uint8Array };
}

/** The verdict on a good token. */
export interface VerifiedToken {
  readonly kind: "verified";
  /** The signed claims; `payload` is their JSON text. */
  readonly token: Token;
  /** The user or client that the token is for; undefined if the realm looks none up. */
  readonly principal: Principal | undefined;
  /** The state that the verdict is based on, and until when it may be cached. */
  readonly evidence: Evidence;
  /** The result of each check; empty without `explain`. */
  readonly checks: readonly Check[];
  /** The nonce for the sender's next DPoP proof, to send as `DPoP-Nonce`; absent without `nonceRequired`. */
  readonly dpopNonce?: string;
}

/** The verdict on a bad token. */
export interface RejectedToken {
  readonly kind: "rejected";
  /** The reason; undefined for one that only a later version of this package knows. */
  readonly reason: ReasonName | undefined;
  /** The claim or header parameter concerned; empty if there is none. */
  readonly claim: string;
  /** The reason in English, for a log. */
  readonly message: string;
  /** Whether the signature had verified before the reason was found; false if anybody may have made the token. */
  readonly signatureVerified: boolean;
  /** The result of each check; empty without `explain`. */
  readonly checks: readonly Check[];
  /** The nonce for the sender's next DPoP proof, to send as `DPoP-Nonce`; absent without `nonceRequired`. */
  readonly dpopNonce?: string;
}

/** The service's answer. */
export type Verdict = VerifiedToken | RejectedToken;

/**
 * Thrown when no verdict was reached. Do not treat it as a rejection: the token may be good.
 *
 * ```ts
 * catch (error) {
 *   if (error instanceof VerificationFailure && error.retryAfterMs !== undefined) …
 * }
 * ```
 */
export class VerificationFailure extends Error {
  override readonly name = "VerificationFailure";
  /** The proto's ErrorReason, without its prefix. */
  readonly reason: FailureReason;
  /** The cause within the reason, such as why a key was refused (KEY_REFUSED); undefined for most failures. */
  readonly causeName: FailureCause | undefined;
  /** The gRPC status code (14: UNAVAILABLE). */
  readonly code: number;
  /** Milliseconds to wait before a retry; undefined if retrying does not help. */
  readonly retryAfterMs: number | undefined;
  /** The call's id in the service's log. */
  readonly requestId: string;

  /** @param unreachable the message and cause to report if no service was reached */
  constructor(failed: Failure, requestId: string, unreachable?: { readonly message: string; readonly cause: Error }) {
    super(unreachable?.message ?? failureMessage(failed), unreachable && { cause: unreachable.cause });
    this.reason = failed.reason;
    this.causeName = failed.cause;
    this.code = statusNumber(FAILURES[failed.reason].status);
    this.retryAfterMs = failed.retryAfter;
    this.requestId = requestId;
  }
}

/** Converts a request to the contract's. @throws TypeError if both kinds of caller are named, or realm or token is no string */
export function toRequest({ realm, token, explain = false, proof, ...callers }: VerifyRequest): VerificationRequest {
  // A JavaScript program that passes undefined must not get a verdict on it.
  if (typeof realm !== "string" || typeof token !== "string") throw new TypeError("realm and token must be strings");
  return {
    realm,
    token: new Secret(token),
    credential: toCredential(callers),
    explain,
    proof: proof && toProof(proof),
  };
}

function toProof({ dpop, clientCertificate: certificate }: TokenProof): Proof {
  return {
    dpop: dpop && { ...dpop, proof: new Secret(dpop.proof), nonceRequired: dpop.nonceRequired ?? false },
    clientCertificate:
      certificate &&
      ("der" in certificate ? { form: "der", bytes: certificate.der } : { form: "sha256", bytes: certificate.sha256 }),
  };
}

type CallerFields = Pick<VerifyRequest, "instanceSecretKey" | "clientCredentials">;

function toCredential({ instanceSecretKey, clientCredentials }: CallerFields): Credential | undefined {
  if (instanceSecretKey !== undefined && clientCredentials !== undefined) {
    throw new TypeError("name one caller: instanceSecretKey or clientCredentials, not both");
  }
  if (instanceSecretKey !== undefined) return { kind: "instance", secretKey: new Secret(instanceSecretKey) };
  if (clientCredentials === undefined) return undefined;
  const { clientId, clientSecret } = clientCredentials;
  return { kind: "client", clientId, clientSecret: new Secret(clientSecret) };
}

/** Converts the contract's outcome to a verdict or an error. */
export function fromOutcome(outcome: Outcome, requestId: string): Verdict | VerificationFailure {
  return outcome.kind === "failure" ? new VerificationFailure(outcome, requestId) : toVerdict(outcome);
}

/** Converts the contract's verdict to the client's. */
export function toVerdict(outcome: ContractVerdict): Verdict {
  const nonce = outcome.dpopNonce === undefined ? {} : { dpopNonce: outcome.dpopNonce };
  if (outcome.kind === "verified") {
    const { token, principal, evidence, checks } = outcome;
    return { kind: "verified", token, principal, evidence, checks, ...nonce };
  }
  const { reason, claim, signatureVerified, checks } = outcome;
  const message = rejectionMessage(outcome);
  return { kind: "rejected", reason, claim, message, signatureVerified, checks, ...nonce };
}
