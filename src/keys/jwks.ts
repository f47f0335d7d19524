import type { Algorithm } from "../jws/algorithms.js";
import { isObject, type JsonObject, member } from "../jws/json.js";
import type { LoadOptions } from "./binding.js";
import { algorithmsOfType, loadJwk } from "./jwk.js";
import { KeyError, type VerificationKey } from "./key.js";
import { isFaulty, type LeftOut } from "./left-out.js";

/**
 * Most entries of a set, usable or not: far more than any issuer publishes. Loading an entry takes up to a millisecond of
 * the event loop.
 */
export const MAX_KEYS = 100;

/** The keys of a JWK Set, checked. */
export interface LoadedSet {
  /** The usable keys in the set's order; may be empty. */
  readonly keys: readonly VerificationKey[];
  /** The other keys in the set's order. */
  readonly leftOut: readonly LeftOut[];
}

/**
 * Loads a JWK Set (RFC 7517, section 5) of public keys. Each key is checked on its own, so a refused one does not affect the
 * others. Symmetric and private keys are refused. Keys may share a `kid`: the algorithm tells them apart, and different keys
 * of one `kid` and algorithm are all tried. A key that the set has twice is loaded once.
 *
 * @param doc a parsed JSON value of any kind
 * @throws KeyError if it is not a key set, or has more than {@link MAX_KEYS} entries
 */
export function loadJwks(
  doc: unknown,
  { algorithms, several }: Pick<LoadOptions, "algorithms" | "several">,
): LoadedSet {
  const list = typeof doc === "object" && doc !== null ? member(doc as JsonObject, "keys") : undefined;
  if (!Array.isArray(list)) throw new KeyError('this is not a JWK Set: give an object as {"keys": [...]}');
  if (list.length > MAX_KEYS) {
    throw new KeyError(`the set has ${list.length} keys, more than ${MAX_KEYS}: take out those that are not in use`);
  }
  const keys: VerificationKey[] = [];
  const leftOut: LeftOut[] = [];
  for (const [index, jwk] of list.entries()) {
    try {
      refuseSymmetric(jwk);
      const key = loadJwk(jwk, { algorithms, several });
      if (!keys.some((one) => isTwin(one, key))) keys.push(key);
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      leftOut.push(leftOutAt(index, jwk, error));
    }
  }
  return { keys, leftOut };
}

/** Whether two keys of a set are the same for every token. A label tells public keys apart by their values. */
const isTwin = (one: VerificationKey, other: VerificationKey): boolean =>
  one.label === other.label && one.algorithm === other.algorithm && one.kid === other.kid;

/**
 * Loads a set as an issuer publishes it. A key without `alg` verifies the first of the realm's algorithms that it fits.
 *
 * @param value a parsed JSON value of any kind
 * @throws KeyError as {@link loadJwks} does, and if no key is usable; `check` and the log use its message
 */
export function loadPublishedKeys(value: unknown, algorithms: readonly Algorithm[]): LoadedSet {
  const loaded = loadJwks(value, { algorithms, several: "first" });
  if (loaded.keys.length > 0) return loaded;
  const { leftOut } = loaded;
  const first = leftOut.find(isFaulty) ?? leftOut[0];
  const detail = first === undefined ? "it is empty" : `number ${first.index}: ${first.why}`;
  throw new KeyError(`the set has no usable key for ${algorithms.join(", ")} (${detail})`);
}

function refuseSymmetric(jwk: unknown): void {
  if (typeof jwk === "object" && jwk !== null && member(jwk as JsonObject, "kty") === "oct") {
    throw new KeyError(
      'a symmetric key (kty "oct") in a set of public keys: take it out, and replace it if others saw it',
      "weak",
    );
  }
}

function leftOutAt(index: number, jwk: unknown, { message, kind, cause }: KeyError): LeftOut {
  const members = isObject(jwk) ? jwk : {};
  const alg = member(members, "alg");
  return {
    index,
    ...kidOf(members),
    why: message,
    kind,
    cause,
    algorithms: algorithmsOfType(members),
    ...(typeof alg === "string" && { alg }),
  };
}

function kidOf(members: JsonObject): { kid?: string } {
  const kid = member(members, "kid");
  if (typeof kid === "string") return { kid };
  return Number.isSafeInteger(kid) ? { kid: String(kid) } : {};
}
