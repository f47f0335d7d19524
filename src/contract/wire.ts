import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Duration } from "../../gen/google/protobuf/duration.js";
import {
  BatchItem,
  Check,
  Evidence,
  type ItemError,
  Principal,
  Rejected as RejectedMessage,
  Token,
  VerifyTokenResponse,
  type VerifyTokenRequest,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import { FAILURES, failureNumber, failureReason } from "./failures.js";
import { reasonMessage, reasonName, reasonNumber } from "./reasons.js";
import { Secret } from "./secret.js";
import { type Credential, type Failure, failure, type Outcome, type Verdict, type VerificationRequest } from "./verifier.js";

/** Reads a request off the wire. */
export function requestFromWire(message: VerifyTokenRequest): VerificationRequest {
  return {
    realm: message.realm,
    token: new Secret(message.token),
    credential: credentialFromWire(message.caller),
    explain: message.explain,
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

/** Writes a request for the wire. The message holds the token and secrets in the clear: send it, do not keep it. */
export function requestToWire(request: VerificationRequest): VerifyTokenRequest {
  return {
    realm: request.realm,
    token: request.token.reveal(),
    caller: credentialToWire(request.credential),
    explain: request.explain,
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

const tag = (field: number): number => (field << 3) | WireType.LengthDelimited;

// Field numbers of the proto. The messages on the hot path are written by hand around the token's bytes, which were
// encoded when the token was first verified; a test reads them back through the generated code.
const RESPONSE = { verified: tag(1), rejected: tag(2), checks: tag(3) };
const VERIFIED = { token: tag(1), principal: tag(2), evidence: tag(3) };
const BATCH = { responses: tag(1) };
const STREAM = { id: tag(1), responses: tag(2) };

/** Encodes a verdict as a `VerifyTokenResponse`. */
export function encodeVerdict(verdict: Verdict): Buffer {
  const writer = new BinaryWriter();
  writeVerdict(writer, verdict);
  return toBuffer(writer);
}

/** Encodes the outcomes of a batch as a `BatchVerifyTokensResponse`. */
export function encodeBatch(outcomes: readonly Outcome[]): Buffer {
  const writer = new BinaryWriter();
  for (const outcome of outcomes) writeItem(writer, BATCH.responses, outcome);
  return toBuffer(writer);
}

/** Encodes the outcomes of a stream's message as a `StreamVerifyTokensResponse`. */
export function encodeStreamMessage(id: string, outcomes: readonly Outcome[]): Buffer {
  const writer = new BinaryWriter();
  if (id !== "") writer.uint32(STREAM.id).string(id);
  for (const outcome of outcomes) writeItem(writer, STREAM.responses, outcome);
  return toBuffer(writer);
}

function writeVerdict(writer: BinaryWriter, verdict: Verdict): void {
  if (verdict.kind === "verified") {
    writer.uint32(RESPONSE.verified).fork();
    writer.uint32(VERIFIED.token).bytes(verdict.encodedToken ?? Token.encode(verdict.token).finish());
    if (verdict.principal !== undefined) {
      Principal.encode(verdict.principal, writer.uint32(VERIFIED.principal).fork()).join();
    }
    Evidence.encode(verdict.evidence, writer.uint32(VERIFIED.evidence).fork()).join();
    writer.join();
  } else {
    RejectedMessage.encode(rejectedMessage(verdict), writer.uint32(RESPONSE.rejected).fork()).join();
  }
  for (const check of verdict.checks) Check.encode(check, writer.uint32(RESPONSE.checks).fork()).join();
}

function rejectedMessage(verdict: Extract<Verdict, { kind: "rejected" }>): RejectedMessage {
  const { reason, claim } = verdict;
  if (reason === undefined) return { reason: 0, claim, message: "The token was rejected." };
  return { reason: reasonNumber(reason), claim, message: reasonMessage(reason, claim) };
}

function writeItem(writer: BinaryWriter, field: number, outcome: Outcome): void {
  writer.uint32(field).fork();
  if (outcome.kind === "failure") {
    BatchItem.encode({ outcome: { $case: "error", value: itemError(outcome) } }, writer);
  } else {
    writer.uint32(tag(1)).fork();
    writeVerdict(writer, outcome);
    writer.join();
  }
  writer.join();
}

function itemError({ reason, retryAfter }: Failure): ItemError {
  const { code, message } = FAILURES[reason];
  return {
    code,
    reason: failureNumber(reason),
    message,
    retryAfter: retryAfter === undefined ? undefined : durationFromMillis(retryAfter),
  };
}

/** A `google.protobuf.Duration` of so many milliseconds. */
export function durationFromMillis(millis: number): Duration {
  const seconds = Math.trunc(millis / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((millis - seconds * 1000) * 1e6) };
}

/** The milliseconds of a `google.protobuf.Duration`. */
export function millisFromDuration(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/**
 * Reads a verdict off the wire. An answer without a verdict (a later version's kind of one) is a failure, never a
 * verdict.
 */
export function outcomeFromWire(response: VerifyTokenResponse): Outcome {
  const { verdict, checks } = response;
  if (verdict?.$case === "rejected") {
    return { kind: "rejected", reason: reasonName(verdict.value.reason), claim: verdict.value.claim, checks };
  }
  if (verdict?.$case === "verified" && verdict.value.token !== undefined) {
    const { token, principal, evidence } = verdict.value;
    return { kind: "verified", token, principal, evidence: evidence ?? Evidence.fromPartial({}), checks };
  }
  return failure("VERIFIER_UNAVAILABLE");
}

/** Reads an item of a batch off the wire, by the same rule. */
export function outcomeFromItem({ outcome }: BatchItem): Outcome {
  if (outcome?.$case === "verdict") return outcomeFromWire(outcome.value);
  if (outcome?.$case === "error") {
    const { reason, retryAfter } = outcome.value;
    return failure(
      failureReason(reason) ?? "VERIFIER_UNAVAILABLE",
      retryAfter === undefined ? undefined : millisFromDuration(retryAfter),
    );
  }
  return failure("VERIFIER_UNAVAILABLE");
}

function toBuffer(writer: BinaryWriter): Buffer {
  const bytes = writer.finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
