import { type BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Duration } from "../../gen/google/protobuf/duration.js";
import {
  type BatchItem,
  Check,
  Evidence,
  ItemError,
  Principal,
  Rejected as RejectedMessage,
  Token,
  type VerifyTokenRequest,
  type VerifyTokenResponse,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import { FAILURES, failureNumber, failureReason } from "../contract/failures.js";
import { hintIn, reasonName, reasonNumber, rejectionMessage } from "../contract/reasons.js";
import {
  type Credential,
  type Failure,
  failure,
  type Outcome,
  type Rejected,
  type Verdict,
  type VerificationRequest,
  type Verified,
} from "../contract/verifier.js";
import { Secret } from "../util/secret.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { laterFailure } from "./received-failure.js";

/** Reads a request off the wire. @param workload who is at the other end of it, which no message can say */
export function requestFromWire(message: VerifyTokenRequest, workload?: WorkloadNames): VerificationRequest {
  return {
    realm: message.realm,
    token: new Secret(message.token),
    credential: credentialFromWire(message.caller),
    workload,
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

/** Writes a request for the wire, but for the workload: a connection shows the certificate of its own end alone. The message holds the token and secrets in the clear: send it, do not keep it. */
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

// The answers are put together by hand: a writer's forks cost more than all the rest of a call for a token seen before.
// What is in them is immutable and comes again and again as the same object, so each is encoded once. All field numbers
// are those of the proto; a test reads every answer back through the generated code.

const ENCODED = new WeakMap<object, Uint8Array>();

/** The bytes of a message that never changes. */
function once<Message extends object>(message: Message, encode: (message: Message) => BinaryWriter): Uint8Array {
  let bytes = ENCODED.get(message);
  if (bytes === undefined) {
    bytes = encode(message).finish();
    ENCODED.set(message, bytes);
  }
  return bytes;
}

/** A length-delimited field: its number, below 16, and its bytes; or the fields that it consists of. */
interface Field {
  readonly number: number;
  readonly length: number;
  readonly content: Uint8Array | readonly Field[];
}

const field = (number: number, content: Uint8Array): Field => ({ number, length: content.length, content });

function message(number: number, content: readonly Field[]): Field {
  return { number, length: sizeOf(content), content };
}

function sizeOf(fields: readonly Field[]): number {
  let size = 0;
  for (const { length } of fields) size += 1 + varintSize(length) + length;
  return size;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 127; rest >>>= 7) size++;
  return size;
}

function serialize(fields: readonly Field[]): Buffer {
  const buffer = Buffer.allocUnsafe(sizeOf(fields));
  writeFields(buffer, 0, fields);
  return buffer;
}

function writeFields(buffer: Buffer, start: number, fields: readonly Field[]): number {
  let at = start;
  for (const { number, length, content } of fields) {
    buffer[at++] = (number << 3) | WireType.LengthDelimited;
    let rest = length;
    for (; rest > 127; rest >>>= 7) buffer[at++] = (rest & 127) | 128;
    buffer[at++] = rest;
    if (content instanceof Uint8Array) {
      buffer.set(content, at);
      at += length;
    } else {
      at = writeFields(buffer, at, content);
    }
  }
  return at;
}

/** Encodes a verdict as a `VerifyTokenResponse`. */
export function encodeVerdict(verdict: Verdict): Buffer {
  return serialize(verdictFields(verdict));
}

/** Encodes the outcomes of a batch as a `BatchVerifyTokensResponse`. */
export function encodeBatch(outcomes: readonly Outcome[]): Buffer {
  return serialize(outcomes.map((outcome) => message(1, itemFields(outcome))));
}

/** Encodes the outcomes of a stream's message as a `StreamVerifyTokensResponse`. */
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
  for (const check of verdict.checks) fields.push(field(3, Check.encode(check).finish()));
  return fields;
}

/** The fields of a `Verified`. */
function verifiedFields({ token, principal, evidence }: Verified): Field[] {
  const fields = [field(1, once(token, encodeToken))];
  if (principal !== undefined) fields.push(field(2, once(principal, encodePrincipal)));
  fields.push(field(3, once(evidence, encodeEvidence)));
  return fields;
}

const encodeToken = (token: Token): BinaryWriter => Token.encode(token);
const encodePrincipal = (principal: Principal): BinaryWriter => Principal.encode(principal);
const encodeEvidence = (evidence: Evidence): BinaryWriter => Evidence.encode(evidence);
const encodeRejected = (verdict: Rejected): BinaryWriter => RejectedMessage.encode(rejectedMessage(verdict));

/** The fields of a `BatchItem`. */
function itemFields(outcome: Outcome): Field[] {
  return [
    outcome.kind === "failure"
      ? field(2, ItemError.encode(itemError(outcome)).finish())
      : message(1, verdictFields(outcome)),
  ];
}

function rejectedMessage(rejected: Rejected): RejectedMessage {
  const { reason, claim } = rejected;
  return { reason: reason === undefined ? 0 : reasonNumber(reason), claim, message: rejectionMessage(rejected) };
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
  return { seconds: BigInt(seconds), nanos: Math.min(999_999_999, Math.round((millis - seconds * 1000) * 1e6)) };
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
    const { claim, message } = verdict.value;
    const reason = reasonName(verdict.value.reason);
    const hint = hintIn(message, { reason, claim });
    return { kind: "rejected", reason, claim, ...(hint !== "" && { hint }), checks };
  }
  if (verdict?.$case === "verified" && verdict.value.token !== undefined) {
    const { token, principal, evidence } = verdict.value;
    return { kind: "verified", token, principal, evidence: evidence ?? Evidence.fromPartial({}), checks };
  }
  return failure("VERIFIER_UNAVAILABLE");
}

/** Reads an item of a batch off the wire, by the same rule. An error of a later version goes by its status code, as that of a call does. */
export function outcomeFromItem({ outcome }: BatchItem): Outcome {
  if (outcome?.$case === "verdict") return outcomeFromWire(outcome.value);
  if (outcome?.$case === "error") {
    const { code, reason } = outcome.value;
    const retryAfter = outcome.value.retryAfter && millisFromDuration(outcome.value.retryAfter);
    const known = failureReason(reason);
    return known === undefined ? laterFailure(code, retryAfter) : { kind: "failure", reason: known, retryAfter };
  }
  return failure("VERIFIER_UNAVAILABLE");
}
