/** The sentence of each reason, for a developer. `{claim}` stands for the quoted name of the claim concerned. */
const MESSAGES = {
  TOKEN_TOO_LARGE: "The token is longer than this realm allows (`maxTokenLength`).",
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
  PROOF_INVALID: "The proof is malformed, its key or algorithm is not accepted, or its signature does not verify.",
  PROOF_MISMATCH: "The proof does not fit the token or the request ({claim}).",
  PROOF_REPLAYED: "The DPoP proof was used before.",
} as const;

/** Why a token was rejected: the names of the proto's `Reason`, without their prefix. */
export type ReasonName = keyof typeof MESSAGES;

/**
 * What is wrong with the form of a malformed token, and what to do about it. These sentences stand in place of that of
 * TOKEN_MALFORMED. They are constants, because the token is not signed: `{claim}` is one of three names of parameters.
 */
const FORMS = {
  "JSON serialization":
    "The token is JSON. Send it in the compact serialization: three segments separated by dots (RFC 7515, section 7.1).",
  scheme: "An authorization scheme precedes the token. Send what comes after `Bearer` or `DPoP`.",
  quotes: "Quotes surround the token. Remove them.",
  "line end": "The token ends with a line end. Remove it.",
  "white space": "The token has white space before, after or in it. Remove it.",
  disclosures:
    "The token has a `~`, as SD-JWTs have. Send the part before the first `~`; its disclosures are not verified here.",
  "several tokens": "The text is more than one token, in a row or with a comma between. Send one token.",
  "percent-encoding": "The token is percent-encoded, as in a URL or a form. Decode it before you send it.",
  "one segment":
    "The token has one segment, a JWT has three. It is an opaque token, a session id or another text, which only its issuer can check.",
  "two segments": "The token has two segments, a JWT has three. It has no signature, or was cut off.",
  "five segments":
    "The token has five segments, as encrypted tokens have (JWE, RFC 7516). This service verifies signed tokens: decrypt it first, or ask the issuer for a signed one.",
  "many segments": "The token has more than three segments. Send one JWT, and nothing before or after it.",
  "empty segment":
    "The token's header or payload is empty. A JWT with a detached payload (RFC 7515, appendix F) is not verified here.",
  "standard base64":
    "The token has `=`, `+` or `/`, which base64url without padding does not have (RFC 7515, section 2). Load balancers of AWS write such tokens: verify the issuer's access token instead.",
  characters: "The token has characters that base64url does not have. Send the JWT alone.",
  "cut or changed":
    "A segment of the token is not canonical base64url (RFC 7515, section 2). The token is no JWT, or was cut off or changed.",
  "header is not JSON": "The token's header is not a JSON object in UTF-8. The token is no JWT, or was changed.",
  "payload is not JSON":
    "The token's payload is not a JSON object in UTF-8, so the token is no JWT (RFC 7519, section 7.2).",
  "header parameter is no string": "The header parameter {claim} is not a string.",
  "duplicate member":
    "A member appears twice in one object of the token. Readers differ on which one counts, so the issuer has to remove one.",
  "too deep": "The token's JSON has more than 128 levels.",
  "too many items":
    "The token has more members and elements than this realm allows: 2,000, or one for every 8 characters of `maxTokenLength` where that is more. Raise `maxTokenLength`, or ask the issuer for smaller tokens.",
  "number too large": "A number in the token is too large for a double.",
  "half a character": "A text in the token has half of a surrogate pair.",
} as const;

/** What is wrong with the form of a malformed token: one of the faults that the reader of tokens finds. */
export type MalformedForm = keyof typeof FORMS;

/** All faults of a token's form. */
export const FORM_FAULTS = Object.keys(FORMS) as readonly MalformedForm[];

/** All reasons, in the order of the proto; src/wire checks both against each other. */
export const REASON_NAMES = Object.keys(MESSAGES) as readonly ReasonName[];

/**
 * The sentence of a reason.
 *
 * @param name undefined for a reason of a later version
 * @param claim the claim or header parameter concerned; empty if there is none
 * @param form what is wrong with the form of a malformed token, if that is known
 */
export function reasonMessage(name: ReasonName | undefined, claim: string, form?: MalformedForm): string {
  if (name === undefined) return "The token was rejected.";
  return (form === undefined ? MESSAGES[name] : FORMS[form]).replace("{claim}", () => `'${claim}'`);
}

/** The fault that a sentence of {@link reasonMessage} is about; undefined for the sentence of a reason, or of a later version. */
export function formFaultOf(message: string, claim: string): MalformedForm | undefined {
  return FORM_FAULTS.find((form) => reasonMessage("TOKEN_MALFORMED", claim, form) === message);
}

/** What a person reads about a rejection: the sentence of its reason, and its hint if it has one. */
export function rejectionMessage(rejected: {
  readonly reason: ReasonName | undefined;
  readonly claim: string;
  readonly form?: MalformedForm | undefined;
  readonly hint?: string;
}): string {
  const sentence = reasonMessage(rejected.reason, rejected.claim, rejected.form);
  return rejected.hint === undefined ? sentence : `${sentence} ${rejected.hint}`;
}
