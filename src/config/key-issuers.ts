import { Issuers } from "../keys/issuers.js";
import type { VerificationKey } from "../keys/key.js";
import { forIssuers } from "../keys/key-issuers.js";
import type { RemoteEntry } from "../keys/remote/keyring.js";
import { printableList } from "../util/printable.js";

// Binds the keys of an entry to issuers of the realm (RFC 8725, section 3.8).

/** What is wrong with the `issuer` of an entry of `keys`, and what would be right. @param entries number of the realm's */
export function issuerIssue(
  own: readonly string[] | undefined,
  ofRealm: readonly string[] | null,
  entries: number,
): string | undefined {
  const listed = printableList(ofRealm ?? []);
  if (own === undefined) {
    const isNeeded = entries > 1 && new Set(ofRealm).size > 1;
    return isNeeded
      ? `is missing: the realm has several issuers and several entries of keys, so say whose tokens these keys verify: one or more of ${listed}`
      : undefined;
  }
  if (ofRealm === null) return "leave it out: the realm lists no issuers";
  return own.every((one) => ofRealm.includes(one)) ? undefined : `must be of the realm's issuers: ${listed}`;
}

/** The keys of an entry, for its issuers alone if it names any. */
export function keysForIssuers(
  keys: readonly VerificationKey[],
  issuers: readonly string[] | undefined,
): readonly VerificationKey[] {
  if (issuers === undefined) return keys;
  const configured = new Issuers(issuers);
  return keys.map((key) => forIssuers(key, configured));
}

/** Fetched keys of an entry, for its issuers alone if it names any. */
export const remotesForIssuers = (
  remotes: readonly RemoteEntry[],
  issuers: readonly string[] | undefined,
): readonly RemoteEntry[] => (issuers === undefined ? remotes : remotes.map((entry) => ({ ...entry, issuers })));
