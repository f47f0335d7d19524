import { member } from "../jws/json.js";
import { isSameKey, type VerificationKey } from "../keys/key.js";
import { type KeyIssuers, listIssuers, mayVerify } from "../keys/key-issuers.js";
import { printableJson, printableList } from "../util/printable.js";
import { type DecisionState, type EarlyEnd, reject } from "./decision-state.js";

// Whether the key that signed a token is one for the token's issuer (RFC 8725, section 3.8).

const REJECTION: EarlyEnd = {
  ...reject("ISSUER_MISMATCH", "iss", true),
  hint: "The key that signed the token is for other issuers.",
};

/** Rejects a token whose signer is a key for other issuers of the realm. @param issuers those of the signer */
export const rejectForeignIssuer = (issuers: KeyIssuers, { claims, realm }: DecisionState): EarlyEnd | undefined =>
  mayVerify(issuers, claims, realm.policy.issuers ?? undefined) ? undefined : REJECTION;

/** What an explanation adds to the rejection: the token's issuer, and those of the key. */
export function detailKeyIssuer({ fact, claims }: DecisionState): string {
  const named = printableList(fact?.key.issuers === undefined ? [] : listIssuers(fact.key.issuers));
  return `'iss' is ${printableJson(member(claims, "iss"))}; the key is for: ${named}.`;
}

/**
 * The listing of a signer that counts for a token: one key may be listed for several issuers, each time as an object of
 * its own.
 */
export function listedForIssuer(
  { candidates, claims, realm }: DecisionState,
  signer: VerificationKey,
): VerificationKey {
  const isFor = ({ issuers }: VerificationKey): boolean =>
    issuers === undefined || mayVerify(issuers, claims, realm.policy.issuers ?? undefined);
  if (isFor(signer)) return signer;
  return candidates.find((one) => one.label === signer.label && isSameKey(one.key, signer.key) && isFor(one)) ?? signer;
}
