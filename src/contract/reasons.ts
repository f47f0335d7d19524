/** The sentence of each reason, for a developer. `{claim}` stands for the quoted name of the claim concerned. */
const MESSAGES = {
  TOKEN_TOO_LARGE: "The token is longer than this realm allows.",
  TOKEN_MALFORMED:
    "The token is not a well-formed JWT in the compact serialization: three canonical base64url segments, strict JSON objects in the first two.",
  HEADER_REFUSED: "The header parameter {claim} is refused.",
  TYPE_MISMATCH: "The header's {claim} is not a type of token that this realm accepts.",
  ALGORITHM_MISMATCH: "The header's {claim} is not the algorithm of this realm's key.",
  KEY_UNKNOWN: "This realm has no key for the token.",
  SIGNATURE_INVALID: "The signature does not verify.",
  CLAIM_MISSING: "The claim {claim} is missing.",
  CLAIM_MISTYPED: "The claim {claim} has the wrong type.",
  CLAIM_MISMATCH: "The claim {claim} has a value that this realm does not accept.",
  TOKEN_EXPIRED: "The token has expired ({claim} is not after now).",
  TOKEN_NOT_YET_VALID: "The token is not yet valid ({claim} is after now).",
  ISSUED_IN_FUTURE: "The token was issued in the future ({claim} is after now).",
  LIFETIME_TOO_LONG: "The token's lifetime, from 'iat' to {claim}, is longer than this realm allows.",
  ISSUER_MISMATCH: "The issuer ({claim}) is not one of this realm.",
  AUDIENCE_MISMATCH: "The audience ({claim}) contains none of this realm.",
  INSTANCE_MISMATCH: "The token belongs to an instance other than the caller ({claim}).",
  TOKEN_REVOKED: "The token was revoked.",
  USER_UNKNOWN: "The directory has no user with this subject ({claim}).",
  KEY_WEAK: "Anyone can sign with the key of this token, so its signature proves nothing.",
  PROOF_MISSING: "The token is bound to a key or a certificate ({claim}), and there is no proof of it.",
  PROOF_INVALID: "The DPoP proof is malformed, its key or algorithm is not accepted, or its signature does not verify.",
  PROOF_MISMATCH: "The proof does not fit the token or the request ({claim}).",
  PROOF_REPLAYED: "The DPoP proof was used before.",
} as const;

/** Why a token was rejected: the names of the proto's `Reason`, without their prefix. */
export type ReasonName = keyof typeof MESSAGES;

/** All reasons, in the order of the proto; src/wire checks both against each other. */
export const REASON_NAMES = Object.keys(MESSAGES) as readonly ReasonName[];

/**
 * The sentence of a reason.
 *
 * @param name undefined for a reason of a later version
 * @param claim the claim or header parameter concerned; empty if there is none
 */
export function reasonMessage(name: ReasonName | undefined, claim: string): string {
  return name === undefined ? "The token was rejected." : MESSAGES[name].replace("{claim}", () => `'${claim}'`);
}

/** What a person reads about a rejection: the sentence of its reason, and its hint if it has one. */
export function rejectionMessage(rejected: {
  readonly reason: ReasonName | undefined;
  readonly claim: string;
  readonly hint?: string;
}): string {
  const sentence = reasonMessage(rejected.reason, rejected.claim);
  return rejected.hint === undefined ? sentence : `${sentence} ${rejected.hint}`;
}
