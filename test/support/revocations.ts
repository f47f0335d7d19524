import type { Command } from "../../src/directory/commands.js";
import { revocationDigest } from "../../src/verifier/stages.js";
import { readCases } from "./cases.js";

/** The revocations that the cases count on: one by `jti` in each realm that has cases of it, and those by digest. */
export function revocations(): readonly Command[] {
  const byJti = ["integuru", "clowk/inst_abc123", "fiserv", "lax"].map(
    (realm): Command => ({ kind: "revoke", token: { realm, jti: "revoked" }, until: 1_900_000_000 }),
  );
  const byDigest = readCases()
    .filter(({ covers }) => covers.some((row) => row.endsWith("revoked by digest")))
    .map(({ token }) => revocationDigest(token));
  return [...byJti, ...[...new Set(byDigest)].map((digest): Command => ({ kind: "revoke", token: { digest } }))];
}
