import type { Duration } from "../../gen/google/protobuf/duration.js";
import type { Timestamp } from "../../gen/google/protobuf/timestamp.js";
import {
  type BatchItem,
  type Check as CheckMessage,
  Evidence as EvidenceMessage,
  type Position as PositionMessage,
  type Proof as ProofMessage,
  type Token as TokenMessage,
  type VerifyTokenRequest,
  type VerifyTokenResponse,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import { formFaultOf } from "../contract/reasons.js";
import {
  type Check,
  type Credential,
  type Evidence,
  failure,
  type Instant,
  type Outcome,
  type Position,
  type Proof,
  type Token,
  type VerificationRequest,
} from "../contract/verifier.js";
import { Secret } from "../util/secret.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { checkResult, failureReason, reasonName } from "./catalogue.js";
import { millisFromDuration } from "./protobuf.js";
import { laterFailure } from "./status.js";

// Converts between the generated messages and the contract, for whom speed does not matter: the client, Connect JSON, and
// requests in an unusual form. `requests.ts` and `answers.ts` read and write the bytes of the usual ones.

/** Reads a request. @param workload the names in the client certificate of the connection, which no message contains */
export function requestFromWire(message: VerifyTokenRequest, workload?: WorkloadNames): VerificationRequest {
  return {
    realm: message.realm,
    token: new Secret(message.token),
    credential: credentialFromWire(message.caller),
    workload,
    explain: message.explain,
    proof: message.proof && proofFromWire(message.proof),
  };
}

/** Reads the credential of a request or of a watch. */
export function credentialFromWire(caller: VerifyTokenRequest["caller"]): Credential | undefined {
  switch (caller?.$case) {
    case undefined:
      return undefined;
    case "instanceSecretKey":
      return { kind: "instance", secretKey: new Secret(caller.value) };
    case "clientCredentials":
      return { kind: "client", clientId: caller.value.clientId, clientSecret: new Secret(caller.value.clientSecret) };
  }
}

/** Reads a proof; undefined if it has neither member. A certificate without a form reads as one of no bytes. */
function proofFromWire({ dpop, clientCertificate }: ProofMessage): Proof | undefined {
  if (dpop === undefined && clientCertificate === undefined) return undefined;
  const { $case: form, value: bytes } = clientCertificate?.form ?? { $case: "sha256", value: NO_BYTES };
  return {
    dpop: dpop && { ...dpop, proof: new Secret(dpop.proof) },
    clientCertificate: clientCertificate && { form, bytes },
  };
}

const NO_BYTES = Buffer.alloc(0);

function proofToWire({ dpop, clientCertificate }: Proof): ProofMessage {
  return {
    dpop: dpop && { ...dpop, proof: dpop.proof.reveal() },
    clientCertificate: clientCertificate && {
      form: { $case: clientCertificate.form, value: Buffer.from(clientCertificate.bytes) },
    },
  };
}

/**
 * Writes a request, without its workload: a connection presents the certificate of its own client. The message contains
 * the token, its proof and the secrets in the clear; send it, and do not keep it.
 */
export function requestToWire(request: VerificationRequest): VerifyTokenRequest {
  return {
    realm: request.realm,
    token: request.token.reveal(),
    caller: credentialToWire(request.credential),
    explain: request.explain,
    proof: request.proof && proofToWire(request.proof),
  };
}

function credentialToWire(credential: Credential | undefined): VerifyTokenRequest["caller"] {
  switch (credential?.kind) {
    case undefined:
      return undefined;
    case "instance":
      return { $case: "instanceSecretKey", value: credential.secretKey.reveal() };
    case "client":
      return {
        $case: "clientCredentials",
        value: { clientId: credential.clientId, clientSecret: credential.clientSecret.reveal() },
      };
  }
}

/** Reads a verdict. A response without one (a later version may have another kind) is a failure, never a verdict. */
export function outcomeFromWire({ verdict, checks: messages, dpopNonce }: VerifyTokenResponse): Outcome {
  const checks = messages.map(checkFromWire);
  const nonce = dpopNonce === "" ? {} : { dpopNonce };
  if (verdict?.$case === "rejected") {
    const { reason: number, claim, message, hint, signatureVerified } = verdict.value;
    const reason = reasonName(number);
    const form = reason === "TOKEN_MALFORMED" ? formFaultOf(message, claim) : undefined;
    return {
      kind: "rejected",
      reason,
      claim,
      signatureVerified,
      ...(form !== undefined && { form }),
      ...(hint !== "" && { hint }),
      checks,
      ...nonce,
    };
  }
  if (verdict?.$case === "verified" && verdict.value.token !== undefined) {
    const { token, principal, evidence = EvidenceMessage.create() } = verdict.value;
    return {
      kind: "verified",
      token: tokenFromWire(token),
      principal,
      evidence: evidenceFromWire(evidence),
      checks,
      ...nonce,
    };
  }
  return failure("VERIFIER_UNAVAILABLE");
}

/** Reads an item of a batch by the same rule. An error of a later version goes by its status code, like that of a call. */
export function outcomeFromItem({ outcome }: BatchItem): Outcome {
  if (outcome?.$case === "verdict") return outcomeFromWire(outcome.value);
  if (outcome?.$case === "error") {
    const { code, reason } = outcome.value;
    const retryAfter = millis(outcome.value.retryAfter);
    const known = failureReason(reason);
    return known === undefined ? laterFailure(code, retryAfter) : { kind: "failure", reason: known, retryAfter };
  }
  return failure("VERIFIER_UNAVAILABLE");
}

const tokenFromWire = (token: TokenMessage): Token => ({
  ...token,
  expiresAt: instant(token.expiresAt),
  notBefore: instant(token.notBefore),
  issuedAt: instant(token.issuedAt),
});

/** Writes a position. */
export const positionToWire = ({ number, mark }: Position): PositionMessage => ({
  number: BigInt(number),
  mark: Buffer.from(mark, "base64url"),
});

/** Reads a position. */
export const positionFromWire = ({ number, mark }: PositionMessage): Position => ({
  number: Number(number),
  mark: Buffer.from(mark).toString("base64url"),
});

const evidenceFromWire = ({ evaluatedAt, ...evidence }: EvidenceMessage): Evidence => ({
  ...evidence,
  position: evidence.position && positionFromWire(evidence.position),
  trustedKey: Buffer.from(evidence.trustedKey).toString("base64url"),
  realmVersion: Buffer.from(evidence.realmVersion).toString("base64url"),
  evaluatedAt: evaluatedAt === undefined ? 0 : Number(evaluatedAt.seconds) * 1000 + evaluatedAt.nanos / 1e6,
  feedAge: millis(evidence.feedAge),
  keySetAge: millis(evidence.keySetAge),
  cacheableUntil: instant(evidence.cacheableUntil),
});

const checkFromWire = (check: CheckMessage): Check => ({
  ...check,
  result: checkResult(check.result),
  reason: reasonName(check.reason),
});

const instant = (time: Timestamp | undefined): Instant | undefined =>
  time && { seconds: Number(time.seconds), nanos: time.nanos };

const millis = (duration: Duration | undefined): number | undefined => duration && millisFromDuration(duration);
