import type { Algorithm } from "../jws/algorithms.js";
import { type JsonObject, member } from "../jws/json.js";
import { quote, truncate } from "../util/printable.js";
import type { LoadOptions } from "./binding.js";
import { loadJwk } from "./jwk.js";
import { KeyError, type VerificationKey } from "./key.js";

/**
 * Most entries of a set, usable or not: far more than any issuer publishes. Loading an entry takes up to a millisecond of
 * the event loop.
 */
export const MAX_KEYS = 100;

/** Most positions that one message names. */
const MAX_PLACES = 5;

/** A key of a set that is not used. */
export interface LeftOut {
  /** Its position in `keys`, from 0. */
  readonly index: number;
  /** The first 64 characters of its `kid`, if that is a string. */
  readonly kid?: string;
  /** What is wrong and how to put it right; contains no key material. */
  readonly why: string;
  /**
   * True if the key is at fault: an error in a configuration, a warning for a fetched set. False if it is only set aside,
   * because it is meant for another algorithm or use, or because the set contains it twice.
   */
  readonly refused: boolean;
}

/** The keys of a JWK Set, checked. */
export interface LoadedSet {
  /** The usable keys in the set's order; may be empty. */
  readonly keys: readonly VerificationKey[];
  /** The other keys in the set's order. */
  readonly leftOut: readonly LeftOut[];
}

/** A usable key and its position in the set. */
interface Found {
  readonly index: number;
  readonly key: VerificationKey;
}

/**
 * Loads a JWK Set (RFC 7517, section 5) of public keys. Each key is checked on its own, so a refused one does not affect the
 * others. Symmetric and private keys are refused; so are all keys that share a `kid`, because a token could mean any of them.
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
  const found: Found[] = [];
  const leftOut: LeftOut[] = [];
  for (const [index, jwk] of list.entries()) {
    try {
      refuseSymmetric(jwk);
      found.push({ index, key: loadJwk(jwk, { algorithms, several }) });
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      leftOut.push({ index, ...kidOf(jwk), why: error.message, refused: !error.foreign });
    }
  }
  const doubles = doublesAmong(found);
  const out = new Set(doubles.map(({ index }) => index));
  const keys = found.filter(({ index }) => !out.has(index)).map(({ key }) => key);
  return { keys, leftOut: [...leftOut, ...doubles].sort((a, b) => a.index - b.index) };
}

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
  const first = leftOut.find(({ refused }) => refused) ?? leftOut[0];
  const detail = first === undefined ? "it is empty" : `number ${first.index}: ${first.why}`;
  throw new KeyError(`the set has no usable key for ${algorithms.join(", ")} (${detail})`);
}

function refuseSymmetric(jwk: unknown): void {
  if (typeof jwk === "object" && jwk !== null && member(jwk as JsonObject, "kty") === "oct") {
    throw new KeyError(
      'a symmetric key (kty "oct") in a set of public keys: take it out, and replace it if others saw it',
    );
  }
}

function kidOf(jwk: unknown): { kid?: string } {
  const kid = typeof jwk === "object" && jwk !== null ? member(jwk as JsonObject, "kid") : undefined;
  return typeof kid === "string" ? { kid: truncate(kid, 64) } : {};
}

/** The keys that share a `kid` with another key, and the second and later copies of a key. */
function doublesAmong(found: readonly Found[]): LeftOut[] {
  const byKid = new Map<string, Found[]>();
  for (const one of found) {
    const { kid } = one.key;
    if (kid === undefined) continue;
    const group = byKid.get(kid);
    if (group === undefined) byKid.set(kid, [one]);
    else group.push(one);
  }
  return [...byKid].flatMap(([kid, group]): LeftOut[] => {
    const [first, ...others] = group;
    if (first === undefined || others.length === 0) return [];
    const name = truncate(kid, 64);
    if (others.every(({ key }) => key.label === first.key.label && key.algorithm === first.key.algorithm)) {
      const why = `the same key as number ${first.index}, which is used`;
      return others.map(({ index }) => ({ index, kid: name, why, refused: false }));
    }
    const why = `different keys have the "kid" ${quote(kid)} (numbers ${placesOf(group)}): give each a "kid" of its own`;
    return group.map(({ index }) => ({ index, kid: name, why, refused: true }));
  });
}

/** Their positions: the first few, and how many more there are. */
function placesOf(group: readonly Found[]): string {
  const places = group.slice(0, MAX_PLACES).map(({ index }) => index);
  const more = group.length - places.length;
  return more === 0 ? places.join(", ") : `${places.join(", ")} and ${more} more`;
}
