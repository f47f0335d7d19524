import type { Command, CommandOf } from "../../src/directory/commands.js";
import type { Revocation, Selector } from "../../src/directory/revocation.js";
import { type RevocationLookup, RevocationSet } from "../../src/directory/revocation-set.js";

/**
 * A revocation by a selector.
 *
 * @param time seconds since 1970: the `exp` of the one token, or `issuedBefore`; null for none
 */
export function revocationOf(selector: Selector, time: number | null = null): Revocation {
  const isToken = selector.kind === "jti" || selector.kind === "digest";
  return { selector, issuedBefore: isToken ? null : time, exp: isToken ? time : null };
}

/** The command of one revocation; see {@link revocationOf}. */
export const revokeBy = (selector: Selector, time: number | null = null): CommandOf<"revoke"> => ({
  kind: "revoke",
  revocations: [revocationOf(selector, time)],
  comment: "",
});

/** The revocations of some commands, in memory. */
export function revokedBy(commands: readonly Command[]): RevocationLookup {
  const set = new RevocationSet();
  for (const command of commands) {
    if (command.kind === "revoke") for (const revocation of command.revocations) set.add(revocation);
  }
  return set;
}
