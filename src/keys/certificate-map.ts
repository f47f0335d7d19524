import type { KeyObject } from "node:crypto";
import { ALL_ALGORITHMS, fitsAlgorithm } from "../jws/algorithms.js";
import { isObject } from "../jws/json.js";
import { bindPublicKey, chooseKid, type PublicKey } from "./binding.js";
import { type LoadedSet, MAX_KEYS, requireUsable, type SetOptions } from "./jwks.js";
import { KeyError, type VerificationKey } from "./key.js";
import type { LeftOut } from "./left-out.js";
import { readPem } from "./pem.js";

/** Longest text of a certificate, in characters; those of issuers have about 1,500. */
const MAX_LENGTH = 65_536;

/**
 * Loads a map of `kid` to PEM certificate, the form in which Google publishes its keys. A certificate is only the wrapping
 * of a key: chain, names, usages and dates are not judged, and trust is that of the URL. The key of an expired certificate
 * verifies; `VerificationKey.expires` lets `check` and the log warn of it. A public key in PEM is taken like a certificate.
 *
 * @param value a parsed JSON value of any kind
 * @returns the keys, each with its member's name as the `kid`, and what is left out, by the member's position
 * @throws KeyError if it is not such a map, has more than {@link MAX_KEYS} members, or no usable key
 */
export function loadCertificateMap(value: unknown, options: SetOptions): LoadedSet {
  const keys: VerificationKey[] = [];
  const leftOut: LeftOut[] = [];
  for (const [index, [kid, pem]] of membersOf(value).entries()) {
    let key: KeyObject | undefined;
    try {
      const read = certificateIn(pem);
      key = read.key;
      keys.push(...bindPublicKey(read, chooseKid(kid), undefined, options));
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      const { message, kind, cause } = error;
      const algorithms = ALL_ALGORITHMS.filter((name) => key !== undefined && fitsAlgorithm(name, key));
      leftOut.push({ index, kid, why: message, kind, cause, algorithms });
    }
  }
  requireUsable({ keys, leftOut }, options);
  return { keys, leftOut };
}

function membersOf(value: unknown): readonly (readonly [kid: string, pem: unknown])[] {
  if (!isObject(value)) {
    throw new KeyError(
      'this is not a map of certificates: give an object as {"KID": "-----BEGIN CERTIFICATE-----..."}',
    );
  }
  const entries = Object.entries(value);
  if (Array.isArray(value["keys"]))
    throw new KeyError("this is a JWK Set, not a map of certificates: give its URL as jwksUri");
  if (entries.length <= MAX_KEYS) return entries;
  throw new KeyError(
    `the map has ${entries.length} certificates, more than ${MAX_KEYS}: take out those that are not in use`,
  );
}

function certificateIn(pem: unknown): PublicKey {
  if (typeof pem !== "string") throw new KeyError("the value is not a text: give a certificate in PEM");
  if (pem.length <= MAX_LENGTH) return readPem(pem);
  throw new KeyError(`the certificate has more than ${MAX_LENGTH} characters: make a smaller one`, "unsupported");
}
