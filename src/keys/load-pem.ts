import type { KeyObject } from "node:crypto";
import { askedAlgorithm, type LoadOptions } from "./choose-algorithm.js";
import type { VerificationKey } from "./key.js";
import { KeyError } from "./key-error.js";
import { chooseKid } from "./kid.js";
import { publicVerificationKey } from "./public-key.js";
import { readSpki } from "./spki.js";

/** What to do instead, by what the PEM text holds. The first that matches its label. */
const CURES: readonly (readonly [label: RegExp, what: string, cure: string])[] = [
  [/PRIVATE KEY$/, "a private key", "give the public key: openssl pkey -in KEY -pubout"],
  [/^(X509 |TRUSTED )?CERTIFICATE$/, "a certificate", "give its public key: openssl x509 -in CERT -noout -pubkey"],
  [
    /^RSA PUBLIC KEY$/,
    "a public key in the PKCS#1 form",
    "give the SPKI form: openssl rsa -RSAPublicKey_in -in KEY -pubout",
  ],
];

/**
 * Loads a public key from PEM: exactly one block `PUBLIC KEY` (SPKI, RFC 7468 section 13).
 *
 * @throws KeyError for anything else, with the command that makes it right, and for a key that is weak or fits no
 * algorithm
 */
export function loadPem(pem: string, options: LoadOptions): VerificationKey {
  const kid = chooseKid(options.kid, undefined);
  const asked = askedAlgorithm(options, undefined);
  return publicVerificationKey(readPem(pem), kid, asked, options);
}

function readPem(pem: string): KeyObject {
  const labels = Array.from(pem.matchAll(/-----BEGIN ([^-\r\n]*)-----/g), (match) => match[1] ?? "");
  const [label] = labels;
  if (label === undefined) {
    throw new KeyError("this is not a PEM text: give the whole text, from -----BEGIN PUBLIC KEY----- on");
  }
  const cure = CURES.find(([pattern]) => labels.some((each) => pattern.test(each)));
  if (cure !== undefined) throw new KeyError(`this is ${cure[1]}: ${cure[2]}`);
  if (labels.length > 1)
    throw new KeyError(`the PEM text holds ${labels.length} blocks: give one public key for each entry`);
  if (label !== "PUBLIC KEY") throw new KeyError("the PEM text holds no public key: give a block PUBLIC KEY");
  // Lines may be of any length and end in any way.
  const body = /-----BEGINPUBLICKEY-----([A-Za-z0-9+/]+={0,2})-----ENDPUBLICKEY-----/.exec(
    pem.replace(/\s+/g, ""),
  )?.[1];
  const key = body === undefined ? undefined : readSpki(Buffer.from(body, "base64"));
  if (key !== undefined) return key;
  throw new KeyError(
    "the PEM text cannot be read as a public key (cut short, changed, or a point not on its curve): export it anew",
  );
}
