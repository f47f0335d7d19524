import type { ReasonName } from "../../contract/reasons.js";
import type { DpopProof } from "../../contract/verifier.js";
import { type Algorithm, verifySignature } from "../../jws/algorithms.js";
import { truncate } from "../../util/printable.js";
import { type DpopJwt, readDpopProof } from "./dpop-proof.js";
import type { ProofKeys } from "./proof-key.js";
import { type NormalizedUri, normalizeUri } from "./uri.js";

/** Seconds by which a proof's `iat` may lie before or after now. */
export const MAX_PROOF_AGE = 60;

/** What is wrong with a proof. */
export interface ProofFault {
  readonly reason: ReasonName;
  /** The claim that differs; empty if there is none. */
  readonly claim: string;
  /** Which part it is, as a sentence for explanations. */
  readonly why: string;
  /** A sentence for the rejection, if the proof's signature verified. */
  readonly hint?: string;
}

/** What a DPoP proof must fit. */
export interface DpopContext {
  /** The token's `cnf.jkt`. */
  readonly jkt: string;
  /** The SHA-256 of the token in base64url. */
  readonly ath: string;
  /** Now, in seconds since 1970. */
  readonly seconds: number;
  /** The algorithms that the realm accepts. */
  readonly algorithms: ReadonlySet<Algorithm>;
  readonly keys: ProofKeys;
  /** Whether a nonce counts now. */
  readonly acceptsNonce: (nonce: string) => boolean;
}

/** A proof that fits, with what it is remembered by. */
export type GoodProof = Pick<DpopJwt, "key" | "jti" | "iat">;

const invalid = (why: string): ProofFault => ({ reason: "PROOF_INVALID", claim: "", why });
const mismatch = (claim: string, why: string): ProofFault => ({ reason: "PROOF_MISMATCH", claim, why });

/** Whether a check of a proof found a fault. */
export const isFault = (found: GoodProof | ProofFault): found is ProofFault => "reason" in found;

/**
 * Checks a DPoP proof (RFC 9449, section 4.3), all but whether it was used before. Pure. The cheap checks come first, so that
 * a stranger's garbage costs no key and no signature check.
 */
export function checkDpop(given: DpopProof, context: DpopContext): GoodProof | ProofFault {
  const jwt = readDpopProof(given.proof.reveal(), context.algorithms);
  if (typeof jwt === "string") return invalid(jwt);
  const { jkt, ath, seconds, keys, acceptsNonce } = context;
  if (jwt.key.thumbprint !== jkt) return mismatch("cnf", "The thumbprint of 'jwk' is not the token's 'cnf.jkt'.");
  if (jwt.htm !== given.method) return mismatch("htm", "'htm' is not the request's method.");
  const fault = checkUrl(jwt, given.url, keys);
  if (fault !== undefined) return fault;
  if (jwt.ath !== ath) return mismatch("ath", "'ath' is not the token's SHA-256 in base64url.");
  const ahead = Math.round(jwt.iat - seconds);
  if (Math.abs(jwt.iat - seconds) > MAX_PROOF_AGE) {
    const where = ahead > 0 ? `${ahead} seconds ahead` : `${-ahead} seconds ago`;
    return mismatch("iat", `'iat' is ${where}; at most ${MAX_PROOF_AGE} are admitted.`);
  }
  if (given.nonceRequired && (jwt.nonce === undefined || !acceptsNonce(jwt.nonce))) {
    return mismatch("nonce", jwt.nonce === undefined ? "There is no 'nonce'." : "'nonce' is not a current one.");
  }
  return checkSignature(jwt, keys) ?? jwt;
}

function checkSignature({ algorithm, key, signingInput, signature }: DpopJwt, keys: ProofKeys): ProofFault | undefined {
  const loaded = keys.load(key);
  if (typeof loaded === "string") return invalid(loaded);
  const isSigned = verifySignature(algorithm, loaded, signingInput, signature);
  return isSigned ? undefined : invalid("The signature does not verify under 'jwk'.");
}

function checkUrl(jwt: DpopJwt, url: string, keys: ProofKeys): ProofFault | undefined {
  const [wanted, proven] = [normalizeUri(url), normalizeUri(jwt.htu)];
  if (wanted === undefined) return invalid("The request's `url` is not an absolute http or https URI.");
  if (proven === undefined) return invalid("'htu' is not an absolute http or https URI.");
  const different = PARTS.filter((part) => wanted[part] !== proven[part]);
  if (different.length === 0) return undefined;
  const fault = mismatch("htu", `'htu' differs from the request's URL in its ${different.join(" and ")}.`);
  // The hint is for the holder of the key only.
  if (checkSignature(jwt, keys) !== undefined) return fault;
  const { scheme, host, path } = wanted;
  const expected = truncate(`${scheme}://${host}${path}`, MAX_HINT);
  return {
    ...fault,
    hint: `The request is to ${expected}; 'htu' of the proof differs in its ${different.join(" and ")}.`,
  };
}

const PARTS: readonly (keyof NormalizedUri)[] = ["scheme", "host", "path"];

/** Most characters of a URL in a hint. */
const MAX_HINT = 200;
