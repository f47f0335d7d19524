import { createPublicKey, type KeyObject } from "node:crypto";
import { KeyError } from "./key-error.js";

/** OBJECT IDENTIFIER id-ecPublicKey (RFC 5480 section 2.1.1). */
const EC_PUBLIC_KEY = Buffer.from("06072a8648ce3d0201", "hex");

/** In hex, a SubjectPublicKeyInfo that names P-256, P-384 or P-521 and holds a point other than that at infinity. */
const EC_BY_NAME =
  /^30(81)?..30..06072a8648ce3d0201(06082a8648ce3d030107|06052b81040022|06052b81040023)03(81)?..000[234]/;

/**
 * Reads a SubjectPublicKeyInfo in DER (RFC 5280 section 4.1).
 *
 * @returns undefined where it is none
 * @throws KeyError for an EC key on another curve, with the curve's parameters spelt out, or without a point
 */
export function readSpki(der: Buffer): KeyObject | undefined {
  // Looked at before node:crypto does: Node 20 ends the whole process over the details of a point at infinity.
  if (der.includes(EC_PUBLIC_KEY) && !EC_BY_NAME.test(der.toString("hex"))) {
    throw new KeyError(
      "the EC key is not a point on P-256, P-384 or P-521, given by name: try openssl ecparam -name P-256 -genkey",
    );
  }
  try {
    return createPublicKey({ key: der, format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}
