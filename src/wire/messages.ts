import type { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { Duration } from "../../gen/google/protobuf/duration.js";
import type { Timestamp } from "../../gen/google/protobuf/timestamp.js";
import {
  type BatchItem,
  Check as CheckMessage,
  Evidence as EvidenceMessage,
  ItemError,
  Principal as PrincipalMessage,
  type Proof as ProofMessage,
  Rejected as RejectedMessage,
  Token as TokenMessage,
  type VerifyTokenRequest,
  type VerifyTokenResponse,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import { FAILURES, failureMessage } from "../contract/failures.js";
import { formFaultOf, reasonMessage } from "../contract/reasons.js";
import {
  type Check,
  type Credential,
  type Evidence,
  type Failure,
  failure,
  type Instant,
  type Outcome,
  type Principal,
  type Proof,
  type Rejected,
  type Token,
  type Verdict,
  type VerificationRequest,
  type Verified,
} from "../contract/verifier.js";
import { Secret } from "../util/secret.js";
import type { WorkloadNames } from "../util/workload-names.js";
import {
  checkResult,
  checkResultNumber,
  failureNumber,
  failureReason,
  reasonName,
  reasonNumber,
  statusNumber,
} from "./catalogue.js";
import { durationFromMillis, type Field, field, message, millisFromDuration, serialize } from "./protobuf.js";
import { laterFailure } from "./status.js";

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

function credentialFromWire(caller: VerifyTokenRequest["caller"]): Credential | undefined {
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

// Responses are assembled from encoded parts, because the generated code's nested writers would cost more than the rest
// of a cached verification. The parts are immutable and recur as the same objects, so each is encoded once. The field
// numbers are the proto's; a test compares every response with the generated code's.

const ENCODED = new WeakMap<object, Uint8Array>();

function once<Part extends object>(part: Part, encode: (part: Part) => BinaryWriter): Uint8Array {
  let bytes = ENCODED.get(part);
  if (bytes === undefined) {
    bytes = encode(part).finish();
    ENCODED.set(part, bytes);
  }
  return bytes;
}

/** Encodes a verdict as a `VerifyTokenResponse`. @param room bytes left free before it, for the head of a gRPC message */
export function encodeVerdict(verdict: Verdict, room = 0): Buffer {
  return serialize(verdictFields(verdict), room);
}

/** Encodes outcomes as a `BatchVerifyTokensResponse`. @param room bytes left free before it, as of {@link encodeVerdict} */
export function encodeBatch(outcomes: readonly Outcome[], room = 0): Buffer {
  return serialize(
    outcomes.map((outcome) => message(1, itemFields(outcome))),
    room,
  );
}

/** Encodes outcomes as a `StreamVerifyTokensResponse`. @param id that of the message that they answer */
export function encodeStreamMessage(id: string, outcomes: readonly Outcome[]): Buffer {
  return serialize([
    ...(id === "" ? [] : [field(1, Buffer.from(id))]),
    ...outcomes.map((outcome) => message(2, itemFields(outcome))),
  ]);
}

/** The fields of a `VerifyTokenResponse`. */
function verdictFields(verdict: Verdict): Field[] {
  const fields = [
    verdict.kind === "verified" ? message(1, verifiedFields(verdict)) : field(2, once(verdict, encodeRejected)),
  ];
  for (const check of verdict.checks) fields.push(field(3, encodeCheck(check).finish()));
  if (verdict.dpopNonce !== undefined) fields.push(field(4, Buffer.from(verdict.dpopNonce)));
  return fields;
}

/** The fields of a `Verified`. */
function verifiedFields({ token, principal, evidence }: Verified): Field[] {
  const fields = [field(1, once(token, encodeToken))];
  if (principal !== undefined) fields.push(field(2, once(principal, encodePrincipal)));
  fields.push(field(3, once(evidence, encodeEvidence)));
  return fields;
}

/** The fields of a `BatchItem`. */
function itemFields(outcome: Outcome): Field[] {
  return [
    outcome.kind === "failure" ? field(2, encodeItemError(outcome).finish()) : message(1, verdictFields(outcome)),
  ];
}

const encodePrincipal = (principal: Principal): BinaryWriter => PrincipalMessage.encode(principal);

const encodeToken = (token: Token): BinaryWriter =>
  TokenMessage.encode({
    ...token,
    audience: [...token.audience],
    expiresAt: timestamp(token.expiresAt),
    notBefore: timestamp(token.notBefore),
    issuedAt: timestamp(token.issuedAt),
  });

const encodeEvidence = (evidence: Evidence): BinaryWriter =>
  EvidenceMessage.encode({
    ...evidence,
    keySetAge: duration(evidence.keySetAge),
    cacheableUntil: timestamp(evidence.cacheableUntil),
  });

const encodeRejected = ({ reason, claim, form, hint = "", signatureVerified }: Rejected): BinaryWriter =>
  RejectedMessage.encode({
    reason: reasonNumber(reason),
    claim,
    message: reasonMessage(reason, claim, form),
    hint,
    signatureVerified,
  });

const encodeCheck = (check: Check): BinaryWriter =>
  CheckMessage.encode({ ...check, result: checkResultNumber(check.result), reason: reasonNumber(check.reason) });

function encodeItemError(failed: Failure): BinaryWriter {
  return ItemError.encode({
    code: statusNumber(FAILURES[failed.reason].status),
    reason: failureNumber(failed.reason),
    message: failureMessage(failed),
    retryAfter: duration(failed.retryAfter),
  });
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

const evidenceFromWire = (evidence: EvidenceMessage): Evidence => ({
  ...evidence,
  keySetAge: millis(evidence.keySetAge),
  cacheableUntil: instant(evidence.cacheableUntil),
});

const checkFromWire = (check: CheckMessage): Check => ({
  ...check,
  result: checkResult(check.result),
  reason: reasonName(check.reason),
});

const timestamp = (time: Instant | undefined): Timestamp | undefined =>
  time && { seconds: BigInt(time.seconds), nanos: time.nanos };

const instant = (time: Timestamp | undefined): Instant | undefined =>
  time && { seconds: Number(time.seconds), nanos: time.nanos };

const duration = (millis: number | undefined): Duration | undefined =>
  millis === undefined ? undefined : durationFromMillis(millis);

const millis = (duration: Duration | undefined): number | undefined => duration && millisFromDuration(duration);
