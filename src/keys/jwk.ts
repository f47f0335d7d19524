import { algorithmOf } from "../jws/algorithms.js";
import { type JsonObject, member } from "../jws/json.js";
import { quote } from "../util/printable.js";
import { bindPublicKey, chooseKid, type LoadOptions, requiredAlgorithm } from "./binding.js";
import { membersOf, octets, present, statedText, text } from "./jwk-members.js";
import { KeyError, type VerificationKey } from "./key.js";
import { forStatedIssuer } from "./key-issuers.js";
import { PRIVATE_MEMBERS, readPublicKey } from "./public-jwk.js";
import { loadSecret, secretAlgorithm } from "./secret.js";

/** The name of an absent `use` in a list of uses. */
const NO_USE = "none";

/** The values of `use` of the keys that are taken where the configuration names none. */
export const DEFAULT_USES: readonly string[] = ["sig", NO_USE];

/**
 * Loads one JWK (RFC 7517): a public key, or a secret (`kty` "oct"). Ignores certificates in it (`x5c`, `x5u`, `x5t`).
 * A member `issuer` binds the keys to that issuer.
 *
 * @param jwk a parsed JSON value of any kind
 * @returns one key for each algorithm that it verifies; a secret verifies one
 * @throws KeyError if it is refused; its cause is `set aside` if it is meant for another algorithm or use
 */
export function loadJwk(jwk: unknown, options: LoadOptions): readonly VerificationKey[] {
  const members = membersOf(jwk);
  const kid = chooseKid(options.kid, member(members, "kid"));
  const kty = text(members, "kty");
  const secret = PRIVATE_MEMBERS.find(
    (name) => present(members, name) !== undefined && !(kty === "oct" && name === "k"),
  );
  if (secret !== undefined) {
    throw new KeyError(
      `the JWK holds the private member ${quote(secret)}: give the public key, and replace this one`,
      "weak",
    );
  }
  checkPurpose(members, options.uses ?? DEFAULT_USES);
  const required = requiredAlgorithm(options, statedText(members, "alg"));
  const keys =
    kty === "oct"
      ? [loadSecret(octets()(members, "k"), { algorithm: secretAlgorithm(required, options), kid })]
      : bindPublicKey({ key: readPublicKey(members, kty) }, kid, required, options);
  return keys.map((key) => forStatedIssuer(key, members));
}

/** Checks that `use` and `key_ops` (RFC 7517, sections 4.2 and 4.3) allow verifying. */
function checkPurpose(members: JsonObject, uses: readonly string[]): void {
  const use = statedText(members, "use");
  const written = present(members, "key_ops");
  // Libraries that write what a key does not have as null write a list that it does not have as an empty one.
  const operations = Array.isArray(written) && written.length === 0 ? undefined : written;
  if (operations !== undefined && !isTextList(operations)) {
    throw new KeyError('"key_ops" is not a list of texts: write ["verify"], or leave it out');
  }
  const signs = algorithmOf(present(members, "alg")) !== undefined;
  if (!uses.includes(use ?? NO_USE)) {
    const named = uses.filter((one) => one !== NO_USE);
    const wanted = named.length === 0 ? "absent" : named.map((one) => quote(one)).join(" or ");
    const found = use === undefined ? "absent" : quote(use);
    // A key for encryption that names a signature algorithm contradicts itself; another use does not.
    const contradicts = use === "enc" && (signs || operations?.includes("verify") === true);
    throw new KeyError(
      `the key's "use" is ${found}, not ${wanted}: give a key that is for verifying signatures`,
      contradicts ? "contradictory" : "set aside",
    );
  }
  if (operations === undefined || operations.includes("verify")) return;
  throw new KeyError(
    '"key_ops" of the key is without "verify": give a key that is for verifying signatures',
    signs || use !== undefined ? "contradictory" : "set aside",
  );
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
