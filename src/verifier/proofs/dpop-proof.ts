import { type Algorithm, algorithmOf, listAlgorithms } from "../../jws/algorithms.js";
import { readJwt } from "../../jws/compact.js";
import { type JsonObject, member } from "../../jws/json.js";
import { isString, isTime } from "../rules.js";
import { type ProofKey, readProofKey } from "./proof-key.js";

/** A DPoP proof that has the form of one (RFC 9449, section 4.2). Neither its claims nor its signature are checked yet. */
export interface DpopJwt {
  readonly algorithm: Algorithm;
  readonly key: ProofKey;
  readonly jti: string;
  readonly htm: string;
  readonly htu: string;
  /** Seconds since 1970. */
  readonly iat: number;
  readonly ath: string;
  /** Undefined if it has none. */
  readonly nonce: string | undefined;
  readonly signingInput: string;
  readonly signature: Buffer;
}

/** Longest proof, in characters. */
const MAX_LENGTH = 8192;

/** Longest `jti`, in bytes. */
const MAX_JTI = 256;

const READING = { ignoreHeaders: new Set<string>(), embeddedKey: true } as const;

const isJti = (value: unknown): boolean => isString(value) && value !== "" && Buffer.byteLength(value) <= MAX_JTI;
const isOptionalString = (value: unknown): boolean => value === undefined || isString(value);

/** The claims of a proof, with their types. */
const CLAIMS: readonly (readonly [name: string, is: (value: unknown) => boolean, type: string])[] = [
  ["jti", isJti, `a text of 1 to ${MAX_JTI} bytes`],
  ["htm", isString, "a text"],
  ["htu", isString, "a text"],
  ["iat", isTime, "a time"],
  ["ath", isString, "a text"],
  ["nonce", isOptionalString, "a text"],
];

/**
 * Reads a DPoP proof as strictly as a token.
 *
 * @param algorithms those that the realm accepts
 * @returns a text that says which part is malformed, and repeats nothing of the proof
 */
export function readDpopProof(proof: string, algorithms: ReadonlySet<Algorithm>): DpopJwt | string {
  if (proof.length > MAX_LENGTH) return `The proof is longer than ${MAX_LENGTH} characters.`;
  const jwt = readJwt(proof, READING);
  if (!jwt.ok) {
    if (jwt.reason === "HEADER_REFUSED") return `The header holds '${jwt.claim}', which is refused.`;
    return "The proof is not one well-formed JWT in the compact serialization.";
  }
  const { header, claims, signingInput, signature } = jwt;
  if (member(header, "typ") !== "dpop+jwt") return "'typ' is not dpop+jwt.";
  const algorithm = algorithmOf(member(header, "alg"));
  if (algorithm === undefined || !algorithms.has(algorithm)) {
    return `'alg' is not one of the algorithms accepted: ${listAlgorithms(algorithms)}.`;
  }
  const key = readProofKey(member(header, "jwk"));
  if (typeof key === "string") return key;
  const wrong = CLAIMS.find(([name, is]) => !is(member(claims, name)));
  if (wrong !== undefined) return `'${wrong[0]}' is not ${wrong[2]}.`;
  return { algorithm, key, ...typedClaims(claims), signingInput, signature };
}

function typedClaims(claims: JsonObject): Pick<DpopJwt, "jti" | "htm" | "htu" | "iat" | "ath" | "nonce"> {
  const { jti, htm, htu, iat, ath } = claims as unknown as DpopJwt;
  return { jti, htm, htu, iat, ath, nonce: member(claims, "nonce") as string | undefined };
}
