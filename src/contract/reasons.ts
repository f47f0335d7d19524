import { Reason } from "../../gen/tokenverifier/v1/token_verifier.js";

type Unprefixed<Key> = Key extends `REASON_${infer Name}` ? Name : never;

/** The names of the proto's `Reason` values, without the prefix `REASON_`: why a token was rejected. */
export type ReasonName = Exclude<Unprefixed<keyof typeof Reason>, "UNSPECIFIED">;

/**
 * The catalogue of reasons: for each, the sentence that goes to a developer. `{claim}` stands for the
 * quoted name of the claim concerned. The compiler holds it against the proto.
 */
const MESSAGES: Record<ReasonName, string> = {
  TOKEN_TOO_LARGE: "The token is longer than this realm admits.",
  TOKEN_MALFORMED:
    "The token is not a well-formed JWT in the compact serialization: three canonical base64url segments, strict JSON objects in the first two.",
  HEADER_REFUSED: "The header parameter {claim} is refused.",
  TYPE_MISMATCH: "The header's {claim} is not a type of token that this realm takes.",
  ALGORITHM_MISMATCH: "The header's {claim} is not the algorithm of this realm's key.",
  KEY_UNKNOWN: "No key of this realm fits the token.",
  SIGNATURE_INVALID: "The signature does not verify.",
  CLAIM_MISSING: "The claim {claim} is missing.",
  CLAIM_MISTYPED: "The claim {claim} is of the wrong type.",
  CLAIM_MISMATCH: "The claim {claim} has a value that this realm does not admit.",
  TOKEN_EXPIRED: "The token has expired ({claim} is not after now).",
  TOKEN_NOT_YET_VALID: "The token is not yet valid ({claim} is after now).",
  ISSUED_IN_FUTURE: "The token was issued in the future ({claim} is after now).",
  LIFETIME_TOO_LONG: "The token lives longer, from 'iat' to {claim}, than this realm admits.",
  ISSUER_MISMATCH: "The issuer ({claim}) is not one of this realm.",
  AUDIENCE_MISMATCH: "No audience of this realm is in {claim}.",
  INSTANCE_MISMATCH: "The token belongs to another instance than the caller's ({claim}).",
  TOKEN_REVOKED: "The token was revoked.",
  USER_UNKNOWN: "The subject ({claim}) is no user of the directory.",
};

/** All reasons, in the order of the proto. */
export const REASON_NAMES = Object.keys(MESSAGES) as readonly ReasonName[];

/** The number of a reason in the proto. */
export function reasonNumber(name: ReasonName): Reason {
  return Reason[`REASON_${name}`];
}

const BY_NUMBER: ReadonlyMap<number, ReasonName> = new Map(REASON_NAMES.map((name) => [reasonNumber(name), name]));

/** The reason of a number; undefined for one that this version does not know, which is a plain rejection. */
export function reasonName(number: number): ReasonName | undefined {
  return BY_NUMBER.get(number);
}

/** The sentence for a reason. @param claim the claim or header parameter concerned; empty where there is none */
export function reasonMessage(name: ReasonName, claim: string): string {
  return MESSAGES[name].replace("{claim}", () => `'${claim}'`);
}

/**
 * What a rejection says to a developer: the sentence for its reason, and the hint of this very one. A rejection without
 * a reason (a later verifier's) says just that it is one.
 */
export function rejectionMessage({ reason, claim, hint = "" }: RejectionText): string {
  const sentence = reason === undefined ? "The token was rejected." : reasonMessage(reason, claim);
  return hint === "" ? sentence : `${sentence} ${hint}`;
}

/** The hint in what {@link rejectionMessage} said; empty where there is none. */
export function hintIn(message: string, rejection: RejectionText): string {
  const sentence = rejectionMessage({ ...rejection, hint: "" });
  return message.startsWith(`${sentence} `) ? message.slice(sentence.length + 1) : "";
}

interface RejectionText {
  readonly reason: ReasonName | undefined;
  readonly claim: string;
  readonly hint?: string;
}
