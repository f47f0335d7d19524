import type { FailureReason } from "../contract/failures.js";
import { type ReasonName, rejectionMessage } from "../contract/reasons.js";
import type {
  Check,
  Credential,
  Evidence,
  Failure,
  Outcome,
  Principal,
  Token,
  VerificationRequest,
} from "../contract/verifier.js";
import { Secret } from "../util/secret.js";
import { VerificationFailure } from "./failure.js";

export type { FailureReason, ReasonName };

/** A question to the service. Name no caller, or one of the two kinds. */
export interface VerifyRequest {
  /** The realm's name; exact. */
  readonly realm: string;
  /** The token, without `Bearer`. */
  readonly token: string;
  /** The secret key of the instance that asks (`sk_live_...`). */
  readonly instanceSecretKey?: string;
  /** The credentials of the client that asks. */
  readonly clientCredentials?: { readonly clientId: string; readonly clientSecret: string };
  /** Whether `checks` shall say what each check found (default false; the realm must permit it). */
  readonly explain?: boolean;
}

/** The token is good. */
export interface VerifiedToken {
  readonly kind: "verified";
  /** What the signed bytes say; `payload` is their JSON text. */
  readonly token: Token;
  /** Whom it speaks for; undefined where nobody can tell. */
  readonly principal: Principal | undefined;
  /** What the verdict rests on, and until when it stands if nothing changes. */
  readonly evidence: Evidence;
  /** What each check found; empty unless asked for. */
  readonly checks: readonly Check[];
}

/** The token is not good. */
export interface RejectedToken {
  readonly kind: "rejected";
  /** Why; undefined for a reason of a later version: a plain rejection. */
  readonly reason: ReasonName | undefined;
  /** The claim or header parameter concerned; empty where there is none. */
  readonly claim: string;
  /** The reason in English, for a log. */
  readonly message: string;
  /** What each check found; empty unless asked for. */
  readonly checks: readonly Check[];
}

/** The service's answer. */
export type Verdict = VerifiedToken | RejectedToken;

/** A question as the contract has it. @throws TypeError where both kinds of caller are named */
export function toRequest({ realm, token, explain = false, ...callers }: VerifyRequest): VerificationRequest {
  // A program without types that lost its token must not be told that the token is bad.
  if (typeof realm !== "string" || typeof token !== "string") throw new TypeError("realm and token must be strings");
  return { realm, token: new Secret(token), credential: toCredential(callers), explain };
}

type Callers = Pick<VerifyRequest, "instanceSecretKey" | "clientCredentials">;

function toCredential({ instanceSecretKey, clientCredentials }: Callers): Credential | undefined {
  if (instanceSecretKey !== undefined && clientCredentials !== undefined) {
    throw new TypeError("name one caller: instanceSecretKey or clientCredentials, not both");
  }
  if (instanceSecretKey !== undefined) return { kind: "instance", secretKey: new Secret(instanceSecretKey) };
  if (clientCredentials === undefined) return undefined;
  const { clientId, clientSecret } = clientCredentials;
  return { kind: "client", clientId, clientSecret: new Secret(clientSecret) };
}

/** A verdict, or the error that says why there is none. */
export function fromOutcome(outcome: Outcome, requestId: string): Verdict | VerificationFailure {
  if (outcome.kind === "failure") return new VerificationFailure(outcome, requestId);
  if (outcome.kind === "verified") {
    const { token, principal, evidence, checks } = outcome;
    return { kind: "verified", token, principal, evidence, checks };
  }
  const { reason, claim, checks } = outcome;
  const message = rejectionMessage(outcome);
  return { kind: "rejected", reason, claim, message, checks };
}

/** True for what a channel gives where there is no answer. */
export function isFailure(answer: object): answer is Failure {
  return "kind" in answer && answer.kind === "failure";
}
