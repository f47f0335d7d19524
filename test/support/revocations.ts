import type { Command } from "../../src/directory/commands.js";
import { revocationDigest } from "../../src/verifier/revocation.js";
import { readCases } from "./cases.js";
import { TEST_VENDORS } from "./vendors.js";

/** The revocations that the cases rely on: one by `jti` for each realm whose cases need it, and some by digest. */
export function revocations(): readonly Command[] {
  // Instances that sign their own tokens each have their own ids.
  const ofVendors = TEST_VENDORS.map(({ name, keysOf }) => (keysOf === "instance" ? `${name}/inst_abc123` : name));
  const byJti = [...ofVendors, "lax", "scoped", "lenient"].map(
    (realm): Command => ({ kind: "revoke", token: { realm, jti: "revoked" }, until: 1_900_000_000 }),
  );
  // Two issuers of a realm may use the same id. A revocation without an issuer is from before the realm had several.
  byJti.push(
    { kind: "revoke", token: { realm: "tenants/https://login.example/acme/v2.0", jti: "revoked" } },
    { kind: "revoke", token: { realm: "tenants", jti: "revoked-before" } },
    { kind: "revoke", token: { realm: "tolerant/", jti: "revoked-nameless" } },
    { kind: "revoke", token: { realm: "tolerant/https://a.example", jti: "revoked-of-a" } },
  );
  // The vendor's claims may have any type, and so may a lenient realm's; this one is a number.
  for (const realm of ["integuru", "lenient"]) {
    byJti.push({ kind: "revoke", token: { realm, jti: "9007199254740993" }, until: 1_900_000_000 });
  }
  const byDigest = readCases()
    .filter(({ covers }) => covers.some((row) => row.endsWith("revoked by digest")))
    .map(({ token }) => revocationDigest(token));
  return [...byJti, ...[...new Set(byDigest)].map((digest): Command => ({ kind: "revoke", token: { digest } }))];
}
