import { algorithmOf, listAlgorithms } from "../jws/algorithms.js";
import { isObject, member } from "../jws/json.js";
import { quote } from "../util/printable.js";
import { kidText, type LoadOptions } from "./binding.js";
import { DEFAULT_USES, loadJwk } from "./jwk.js";
import { KeyError, type VerificationKey } from "./key.js";
import { areForSameIssuers } from "./key-issuers.js";
import { isFaulty, type LeftOut, placeInSet } from "./left-out.js";
import { algorithmsOfType } from "./public-jwk.js";

/**
 * Most entries of a set, usable or not: far more than any issuer publishes. Loading an entry takes up to a millisecond of
 * the event loop.
 */
export const MAX_KEYS = 100;

/** The keys of a set, checked. */
export interface LoadedSet {
  /** The usable keys in the set's order; may be empty. A key without `alg` is there once for each algorithm. */
  readonly keys: readonly VerificationKey[];
  /** The other keys in the set's order. */
  readonly leftOut: readonly LeftOut[];
}

/** How a set is loaded: the realm's algorithms, and the uses of the keys that are taken. */
export type SetOptions = Pick<LoadOptions, "algorithms" | "uses">;

/**
 * Loads a JWK Set (RFC 7517, section 5) of public keys. Each key is checked on its own, so a refused one does not affect the
 * others. Symmetric and private keys are refused. Keys may share a `kid`: the algorithm tells them apart, and different keys
 * of one `kid` and algorithm are all tried. A key that the set has twice is loaded once.
 *
 * @param doc a parsed JSON value of any kind
 * @throws KeyError if it is not a key set, or has more than {@link MAX_KEYS} entries
 */
export function loadJwks(doc: unknown, options: SetOptions): LoadedSet {
  const keys: VerificationKey[] = [];
  const leftOut: LeftOut[] = [];
  for (const [index, jwk] of listOf(doc).entries()) {
    try {
      refuseSymmetric(jwk);
      for (const key of loadJwk(jwk, options)) if (!keys.some((one) => isTwin(one, key))) keys.push(key);
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      leftOut.push(leftOutAt(index, jwk, error));
    }
  }
  return { keys, leftOut };
}

/** The entries of a JWK Set. @throws KeyError that says what the document is instead */
function listOf(doc: unknown): readonly unknown[] {
  const members = isObject(doc) ? doc : {};
  const list = member(members, "keys");
  if (Array.isArray(list)) {
    if (list.length <= MAX_KEYS) return list;
    throw new KeyError(`the set has ${list.length} keys, more than ${MAX_KEYS}: take out those that are not in use`);
  }
  const values = Object.values(members);
  if (values.length > 0 && values.every(isCertificate)) {
    throw new KeyError("this is a map of kid to certificate, not a JWK Set: give its URL as x509Uri");
  }
  const alone = member(members, "kty") === undefined ? "" : "; one JWK goes under jwk or jwkFile";
  throw new KeyError(`this is not a JWK Set: give an object as {"keys": [...]}${alone}`);
}

const isCertificate = (value: unknown): boolean =>
  typeof value === "string" && value.trimStart().startsWith("-----BEGIN CERTIFICATE-----");

/** Whether two keys of a set are the same for every token. A label tells public keys apart by their values. */
const isTwin = (one: VerificationKey, other: VerificationKey): boolean =>
  one.label === other.label &&
  one.algorithm === other.algorithm &&
  one.kid === other.kid &&
  areForSameIssuers(one, other);

/**
 * Loads a set as an issuer publishes it.
 *
 * @param doc a parsed JSON value of any kind
 * @throws KeyError as {@link loadJwks} does, and if no key is usable; `check` and the log use its message
 */
export function loadPublishedKeys(doc: unknown, options: SetOptions): LoadedSet {
  const loaded = loadJwks(doc, options);
  requireUsable(loaded, options);
  return loaded;
}

/**
 * Checks that a set has a usable key.
 *
 * @throws KeyError that names the first key at fault, or else the first key
 */
export function requireUsable({ keys, leftOut }: LoadedSet, { algorithms, uses }: SetOptions): void {
  if (keys.length > 0) return;
  const first = leftOut.find(isFaulty) ?? leftOut[0];
  const detail = first === undefined ? "it is empty: give one with a public key" : `${placeInSet(first)}: ${first.why}`;
  throw new KeyError(
    `the set has no usable key for ${listAlgorithms(algorithms)} (${detail})${otherUses(leftOut, uses)}`,
  );
}

/** Most values of `use` that a message names. */
const MAX_USES = 5;

/** Names the uses of the keys that are set aside for their use, and the setting that takes them; empty if there are none. */
function otherUses(leftOut: readonly LeftOut[], uses = DEFAULT_USES): string {
  const found = leftOut.flatMap(({ use }) =>
    use === undefined || use === "enc" || uses.includes(use) ? [] : quote(use),
  );
  const named = [...new Set(found)].slice(0, MAX_USES);
  if (named.length === 0) return "";
  return `; it has keys whose "use" is ${named.join(", ")}: name those that sign tokens, as in use: [jwt-svid]`;
}

function refuseSymmetric(jwk: unknown): void {
  if (isObject(jwk) && member(jwk, "kty") === "oct") {
    throw new KeyError(
      'a symmetric key (kty "oct") in a set of public keys: take it out, and replace it if others saw it',
      "weak",
    );
  }
}

function leftOutAt(index: number, jwk: unknown, { message, kind, cause }: KeyError): LeftOut {
  const members = isObject(jwk) ? jwk : {};
  const [alg, use] = [member(members, "alg"), member(members, "use")];
  const kid = kidText(member(members, "kid"));
  return {
    index,
    ...(kid !== undefined && { kid }),
    why: message,
    kind,
    cause,
    algorithms: algorithmsOfType(members),
    ...(typeof alg === "string" && { alg: algorithmOf(alg) ?? alg }),
    ...(typeof use === "string" && { use }),
  };
}
