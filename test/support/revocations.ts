import type { Command } from "../../src/directory/commands.js";
import { tokenContentDigest } from "../../src/verifier/revocation.js";
import { readCases } from "./cases.js";
import { revokeBy } from "./revoke.js";
import { TEST_VENDORS } from "./vendors.js";

/** The revocations that the cases rely on: one by `jti` for each realm whose cases need it, and some by digest. */
export function revocations(): readonly Command[] {
  const jti = (
    realm: string,
    value: string,
    signer: { instance?: string; issuer?: string } = {},
    exp?: number,
  ): Command => revokeBy({ realm, kind: "jti", value, ...signer }, exp);
  const EXP = 1_900_000_000;
  // Instances that sign their own tokens each have their own ids.
  const ofVendors = TEST_VENDORS.map(({ name, keysOf }) =>
    jti(name, "revoked", keysOf === "instance" ? { instance: "inst_abc123" } : {}, EXP),
  );
  const byJti = [...ofVendors, ...["lax", "scoped", "lenient"].map((realm) => jti(realm, "revoked", {}, EXP))];
  // Two issuers of a realm may use the same id. A revocation without an issuer is from before the realm had several.
  byJti.push(
    jti("tenants", "revoked", { issuer: "https://login.example/acme/v2.0" }),
    jti("tenants", "revoked-before"),
    jti("tolerant", "revoked-nameless", { issuer: "" }),
    jti("tolerant", "revoked-of-a", { issuer: "https://a.example" }),
  );
  // The vendor's claims may have any type, and so may a lenient realm's; this one is a number.
  for (const realm of ["integuru", "lenient"]) byJti.push(jti(realm, "9007199254740993", {}, EXP));
  const byDigest = readCases()
    .filter(({ covers }) => covers.some((row) => row.endsWith("revoked by digest")))
    .map(({ token }) => tokenContentDigest(token));
  // These hold in every realm.
  return [...byJti, ...[...new Set(byDigest)].map((value) => revokeBy({ realm: "", kind: "digest", value }))];
}
