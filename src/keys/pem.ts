import { createPublicKey, type KeyObject } from "node:crypto";
import { bindPublicKey, chooseKid, type LoadOptions, requiredAlgorithm } from "./binding.js";
import { KeyError, type VerificationKey } from "./key.js";

/** What a PEM label that is not a public key stands for, and the command that yields the public key. The first match counts. */
const OTHER_LABELS: readonly (readonly [label: RegExp, what: string, fix: string])[] = [
  [/PRIVATE KEY$/, "a private key", "give the public key: openssl pkey -in KEY -pubout"],
  [/^(X509 |TRUSTED )?CERTIFICATE$/, "a certificate", "give its public key: openssl x509 -in CERT -noout -pubkey"],
  [
    /^RSA PUBLIC KEY$/,
    "a public key in the PKCS#1 form",
    "give the SPKI form: openssl rsa -RSAPublicKey_in -in KEY -pubout",
  ],
];

/**
 * Loads a public key from PEM: exactly one block `PUBLIC KEY` (SPKI; RFC 7468, section 13). Text around the block is ignored.
 *
 * @throws KeyError for anything else, with the command that puts it right; for a weak key; for one that fits no algorithm
 */
export function loadPem(pem: string, options: LoadOptions): VerificationKey {
  const kid = chooseKid(options.kid, undefined);
  const required = requiredAlgorithm(options, undefined);
  return bindPublicKey(readPem(pem), kid, required, options);
}

function readPem(pem: string): KeyObject {
  const labels = Array.from(pem.matchAll(/-----BEGIN ([^-\r\n]*)-----/g), (match) => match[1] ?? "");
  const [label] = labels;
  if (label === undefined) {
    throw new KeyError("this is not a PEM text: give the whole text, from -----BEGIN PUBLIC KEY----- on");
  }
  const other = OTHER_LABELS.find(([pattern]) => labels.some((each) => pattern.test(each)));
  if (other !== undefined) throw new KeyError(`this is ${other[1]}: ${other[2]}`);
  if (labels.length > 1)
    throw new KeyError(`the PEM text holds ${labels.length} blocks: give one public key for each entry`);
  if (label !== "PUBLIC KEY") throw new KeyError("the PEM text holds no public key: give a block PUBLIC KEY");
  // Lines may have any length and any line end.
  const body = /-----BEGINPUBLICKEY-----([A-Za-z0-9+/]+={0,2})-----ENDPUBLICKEY-----/.exec(
    pem.replace(/\s+/g, ""),
  )?.[1];
  const key = body === undefined ? undefined : readSpki(Buffer.from(body, "base64"));
  if (key !== undefined) return key;
  throw new KeyError(
    "the PEM text cannot be read as a public key (cut short, changed, or a point not on its curve): export it again",
  );
}

/** OBJECT IDENTIFIER id-ecPublicKey (RFC 5480, section 2.1.1). */
const EC_PUBLIC_KEY = Buffer.from("06072a8648ce3d0201", "hex");

/** In hex, a SubjectPublicKeyInfo that names P-256, P-384 or P-521 and holds a point other than the one at infinity. */
const EC_BY_NAME =
  /^30(81)?..30..06072a8648ce3d0201(06082a8648ce3d030107|06052b81040022|06052b81040023)03(81)?..000[234]/;

/**
 * Reads a SubjectPublicKeyInfo in DER (RFC 5280, section 4.1).
 *
 * @returns undefined if it cannot be read
 * @throws KeyError for an EC key on another curve, with explicit curve parameters, or at infinity
 */
function readSpki(der: Buffer): KeyObject | undefined {
  // Before Node reads it: Node accepts the point at infinity, and then aborts (22) or throws (24, 26) when it exports the key.
  if (der.includes(EC_PUBLIC_KEY) && !EC_BY_NAME.test(der.toString("hex"))) {
    throw new KeyError(
      "the EC key is not a point on P-256, P-384 or P-521, given by name: try openssl ecparam -name P-256 -genkey",
      "unsupported",
    );
  }
  try {
    return createPublicKey({ key: der, format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}
