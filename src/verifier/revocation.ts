import { hash } from "node:crypto";
import { member } from "../jws/json.js";
import type { DecisionState } from "./decision-state.js";

// How a revocation names a token.

/**
 * The narrower scope of a `jti` in a realm without a preset: the token's issuer. It is looked up wherever a realm may have
 * had several issuers, so that a revocation holds when the list of issuers changes.
 */
export function issuerScope({ realm, claims }: DecisionState): string | undefined {
  if (realm.policy.issuers === undefined) return undefined;
  const iss = member(claims, "iss");
  return revocationScope(realm.name, typeof iss === "string" ? iss : "");
}

/**
 * Names the scope in which a `jti` is unique within a realm. A realm's name contains no `/`.
 *
 * @param signer an instance's id, or the token's `iss`; empty for a token without one
 */
export const revocationScope = (realm: string, signer: string): string => `${realm}/${signer}`;

/** Names a token without a usable `jti`: the SHA-256, in base64url, of its first two segments with the dot between them. */
export function revocationDigest(token: string): string {
  return hash("sha256", token.slice(0, token.lastIndexOf(".")), "base64url");
}
