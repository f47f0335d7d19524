import { type JsonObject, member } from "../jws/json.js";
import type { LoadOptions } from "./choose-algorithm.js";
import type { VerificationKey } from "./key.js";
import { KeyError, quoted, shortened } from "./key-error.js";
import { loadJwk } from "./load-jwk.js";

/**
 * Most entries of a set, usable or not: far more than any issuer has keys. Loading one takes up to a millisecond, in
 * which nothing else is done.
 */
export const MAX_KEYS = 100;

/** Most places that one message names. */
const MAX_PLACES = 5;

/** A key of a set that is not used. */
export interface LeftOut {
  /** Its place in `keys`, from 0. */
  readonly index: number;
  /** Its `kid`, where that is a text: the first 64 characters. */
  readonly kid?: string;
  /** What is wrong and what would be right; holds no key material. */
  readonly why: string;
  /**
   * True where the key is at fault: an error in a configuration, a warning for a fetched set. False where it is only
   * set aside, for it is meant for another algorithm or use, or stands there twice.
   */
  readonly refused: boolean;
}

/** What is left of a key set. */
export interface LoadedSet {
  /** In the set's order; may be empty. */
  readonly keys: readonly VerificationKey[];
  /** In the set's order. */
  readonly leftOut: readonly LeftOut[];
}

/** A usable key and where it stands. */
interface Found {
  readonly index: number;
  readonly key: VerificationKey;
}

/**
 * Loads a JWK Set (RFC 7517 section 5) of public keys, each for itself: one that is refused does not spoil the others.
 * A symmetric or a private key is refused, whatever it is for. Different keys with one `kid` are all refused, since
 * nobody can say which is meant.
 *
 * @param doc as JSON.parse made it; may be anything
 * @throws KeyError where it is no key set at all, or has more than {@link MAX_KEYS} entries: then none is looked at
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

function refuseSymmetric(jwk: unknown): void {
  if (typeof jwk === "object" && jwk !== null && member(jwk as JsonObject, "kty") === "oct") {
    throw new KeyError(
      'a symmetric key (kty "oct") in a set of public keys: take it out, and replace it if others saw it',
    );
  }
}

function kidOf(jwk: unknown): { kid?: string } {
  const kid = typeof jwk === "object" && jwk !== null ? member(jwk as JsonObject, "kid") : undefined;
  return typeof kid === "string" ? { kid: shortened(kid) } : {};
}

/** The keys that another one's `kid` makes unusable, and the second and later copies of one key. */
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
    const name = shortened(kid);
    if (others.every(({ key }) => key.label === first.key.label && key.algorithm === first.key.algorithm)) {
      const why = `the same key as number ${first.index}, which is used`;
      return others.map(({ index }) => ({ index, kid: name, why, refused: false }));
    }
    const why = `different keys have the "kid" ${quoted(kid)} (numbers ${placesOf(group)}): give each a "kid" of its own`;
    return group.map(({ index }) => ({ index, kid: name, why, refused: true }));
  });
}

/** Where they stand: the first of them, and how many more there are. */
function placesOf(group: readonly Found[]): string {
  const places = group.slice(0, MAX_PLACES).map(({ index }) => index);
  const more = group.length - places.length;
  return more === 0 ? places.join(", ") : `${places.join(", ")} and ${more} more`;
}
