import { FAILURES, failureMessage } from "../contract/failures.js";
import { reasonMessage } from "../contract/reasons.js";
import type {
  Check,
  Evidence,
  Failure,
  Outcome,
  Position,
  Principal,
  Rejected,
  Token,
  Verdict,
  Verified,
} from "../contract/verifier.js";
import { checkResultNumber, failureNumber, reasonNumber, statusNumber } from "./catalogue.js";
import {
  base64url,
  duration,
  type Fields,
  flag,
  moment,
  optionalText,
  part,
  text,
  texts,
  time,
  Writer,
  whole,
} from "./writer.js";

// Writes the contract's answers. The field numbers are the proto's; a test compares every answer with the generated code's.

/** Encodes a verdict as a `VerifyTokenResponse`. @param room bytes left free before it, for the head of a gRPC message */
export function encodeVerdict(verdict: Verdict, room = 0): Buffer {
  const out = new Writer(room);
  writeVerdict(out, verdict);
  return out.finish();
}

/** Encodes outcomes as a `BatchVerifyTokensResponse`. @param room bytes left free before it, as of {@link encodeVerdict} */
export function encodeBatch(outcomes: readonly Outcome[], room = 0): Buffer {
  const out = new Writer(room);
  for (const outcome of outcomes) writeItem(out, 1, outcome);
  return out.finish();
}

/** Encodes outcomes as a `StreamVerifyTokensResponse`. @param id that of the message that they answer */
export function encodeStreamMessage(id: string, outcomes: readonly Outcome[]): Buffer {
  const out = new Writer(0);
  if (id !== "") out.text(1, id);
  for (const outcome of outcomes) writeItem(out, 2, outcome);
  return out.finish();
}

/** Writes a `BatchItem`. */
function writeItem(out: Writer, number: number, outcome: Outcome): void {
  const item = out.begin(number);
  if (outcome.kind === "failure") out.message(2, ITEM_ERROR, outcome);
  else {
    const verdict = out.begin(1);
    writeVerdict(out, outcome);
    out.end(verdict);
  }
  out.end(item);
}

/** Writes the fields of a `VerifyTokenResponse`. */
function writeVerdict(out: Writer, verdict: Verdict): void {
  if (verdict.kind === "verified") out.message(1, VERIFIED, verdict);
  else out.message(2, REJECTED, verdict);
  const { checks, dpopNonce } = verdict;
  for (let index = 0; index < checks.length; index++) out.message(3, CHECK, checks[index] as Check);
  if (dpopNonce !== undefined) out.text(4, dpopNonce);
}

/** The fields of a `Token` before its payload. */
const TOKEN_HEAD: Fields<Token> = [
  text(1, ({ subject }) => subject),
  text(2, ({ issuer }) => issuer),
  texts(3, ({ audience }) => audience),
  time(4, ({ expiresAt }) => expiresAt),
  time(5, ({ notBefore }) => notBefore),
  time(6, ({ issuedAt }) => issuedAt),
  text(7, ({ id }) => id),
  text(8, ({ keyId }) => keyId),
  text(9, ({ algorithm }) => algorithm),
];

/** A `Token`. A token with a slot for it encodes the fields before its payload once. */
const TOKEN: Fields<Token> = [
  (out, token) => {
    if (token.encoded !== undefined) {
      out.raw(token.encoded);
      return;
    }
    const start = out.at;
    out.fields(TOKEN_HEAD, token);
    if ("encoded" in token) token.encoded = out.copy(start);
  },
  text(10, ({ payload }) => payload),
  part(11, ({ confirmation }) => confirmation, [text(1, ({ jkt }) => jkt), text(2, ({ x5tS256 }) => x5tS256)]),
];

const PRINCIPAL: Fields<Principal> = [
  part(1, ({ user }) => user, [
    text(1, ({ id }) => id),
    optionalText(2, ({ email }) => email),
    optionalText(3, ({ name }) => name),
    optionalText(4, ({ avatarUrl }) => avatarUrl),
    optionalText(5, ({ provider }) => provider),
    text(6, ({ instanceId }) => instanceId),
    text(7, ({ issuer }) => issuer),
  ]),
  part(2, ({ client }) => client, [text(1, ({ clientId }) => clientId)]),
];

const POSITION_PARTS: Fields<Position> = [whole(1, ({ number }) => number), base64url(2, ({ mark }) => mark)];

/** A `Position`, which is encoded once if it has a slot for that. */
const POSITION: Fields<Position> = [
  (out, position) => {
    if (position.encoded !== undefined) {
      out.raw(position.encoded);
      return;
    }
    const start = out.at;
    out.fields(POSITION_PARTS, position);
    if ("encoded" in position) position.encoded = out.copy(start);
  },
];

const EVIDENCE: Fields<Evidence> = [
  duration(1, ({ keySetAge }) => keySetAge),
  part(2, ({ position }) => position, POSITION),
  time(3, ({ cacheableUntil }) => cacheableUntil),
  flag(4, ({ keySetStale }) => keySetStale),
  base64url(5, ({ trustedKey }) => trustedKey),
  base64url(6, ({ realmVersion }) => realmVersion),
  moment(7, ({ evaluatedAt }) => evaluatedAt),
  duration(8, ({ feedAge }) => feedAge),
];

const VERIFIED: Fields<Verified> = [
  part(1, ({ token }) => token, TOKEN),
  part(2, ({ principal }) => principal, PRINCIPAL),
  part(3, ({ evidence }) => evidence, EVIDENCE),
];

const REJECTED: Fields<Rejected> = [
  whole(1, ({ reason }) => reasonNumber(reason)),
  text(2, ({ claim }) => claim),
  text(3, ({ reason, claim, form }) => reasonMessage(reason, claim, form)),
  text(4, ({ hint }) => hint),
  flag(5, ({ signatureVerified }) => signatureVerified),
];

const CHECK: Fields<Check> = [
  text(1, ({ name }) => name),
  whole(2, ({ result }) => checkResultNumber(result)),
  whole(3, ({ reason }) => reasonNumber(reason)),
  text(4, ({ claim }) => claim),
  text(5, ({ message }) => message),
];

const ITEM_ERROR: Fields<Failure> = [
  whole(1, ({ reason }) => statusNumber(FAILURES[reason].status)),
  whole(2, ({ reason }) => failureNumber(reason)),
  text(3, failureMessage),
  duration(4, ({ retryAfter }) => retryAfter),
];
