import type { Algorithm } from "../jws/algorithms.js";
import { isSameKey, type VerificationKey } from "./key.js";
import type { ForIssuers } from "./key-issuers.js";
import type { LeftOut } from "./left-out.js";

/** The keys of one algorithm, indexed by how tokens look for them. */
interface KeysOfAlgorithm {
  /** For tokens without a `kid`. */
  readonly all: readonly VerificationKey[];
  /** For tokens whose `kid` no key has: the keys without a `kid`. */
  readonly unnamed: readonly VerificationKey[];
  /** For tokens with the `kid` of a key. */
  readonly named: ReadonlyMap<string | undefined, readonly VerificationKey[]>;
}

const NONE: readonly VerificationKey[] = [];
const NONE_LEFT_OUT: readonly LeftOut[] = [];

/** Chooses keys by the issuers that they are for. */
export type KeyFilter = (key: ForIssuers) => boolean;

/** An immutable set of keys that a realm trusts. Different keys, or other keys left out, make a different set. */
export class KeySet {
  /** Every key once, in the order given. */
  readonly keys: readonly VerificationKey[];
  /** The keys of the same sources that are not used, in the order given. */
  readonly leftOut: readonly LeftOut[];
  readonly #leftOutByKid: ReadonlyMap<string | undefined, readonly LeftOut[]>;
  readonly #trusted: ReadonlySet<VerificationKey>;
  readonly #kids: ReadonlySet<string>;
  readonly #kidsOfKeys = new WeakMap<VerificationKey, readonly string[]>();
  readonly #byAlgorithm: ReadonlyMap<Algorithm, KeysOfAlgorithm>;

  /** @param keys in the order in which they are tried @param leftOut keys that only explain why a token has no key */
  constructor(keys: Iterable<VerificationKey>, leftOut: readonly LeftOut[] = []) {
    this.leftOut = Object.freeze([...leftOut]);
    this.#leftOutByKid = groupByKid(this.leftOut);
    this.#trusted = new Set(keys);
    this.keys = Object.freeze([...this.#trusted]);
    this.#kids = new Set([...this.keys, ...this.leftOut].flatMap(({ kid }) => kid ?? []));
    const algorithms = new Set(this.keys.map(({ algorithm }) => algorithm));
    this.#byAlgorithm = new Map(
      [...algorithms].map((name) => [name, indexKeys(this.keys.filter(({ algorithm }) => algorithm === name))]),
    );
  }

  /** Number of keys. */
  get size(): number {
    return this.keys.length;
  }

  /**
   * The keys that may have signed a token, in the order in which they are tried: those with its `kid`, then those without
   * a `kid`; for a token without a `kid`, every key of the algorithm. Allocates nothing: equal questions get the same list.
   */
  select(kid: string | undefined, algorithm: Algorithm): readonly VerificationKey[] {
    const keys = this.#byAlgorithm.get(algorithm);
    if (keys === undefined) return NONE;
    return kid === undefined ? keys.all : (keys.named.get(kid) ?? keys.unnamed);
  }

  /** Whether a key of any algorithm has this `kid`, used or left out. @param counts whether a key counts; default: each does */
  hasKid(kid: string, counts?: KeyFilter): boolean {
    if (counts === undefined || !this.#kids.has(kid)) return this.#kids.has(kid);
    const names = (one: VerificationKey | LeftOut): boolean => one.kid === kid && counts(one);
    return this.keys.some(names) || this.leftOut.some(names);
  }

  /** The unused keys with this `kid`; those without one for a token without a `kid`. Allocates nothing. */
  leftOutFor(kid: string | undefined): readonly LeftOut[] {
    return this.#leftOutByKid.get(kid) ?? NONE_LEFT_OUT;
  }

  /**
   * The `kid`s under which the set lists the key of an object, each once: one key may be listed several times. Equal
   * questions get the same list.
   */
  kidsOf(key: VerificationKey): readonly string[] {
    let kids = this.#kidsOfKeys.get(key);
    if (kids === undefined) {
      const listings = this.keys.filter((one) => one.label === key.label && isSameKey(one.key, key.key));
      kids = [...new Set(listings.flatMap(({ kid }) => kid ?? []))];
      this.#kidsOfKeys.set(key, kids);
    }
    return kids;
  }

  /** Whether this very object is one of the keys. */
  trusts(key: VerificationKey): boolean {
    return this.#trusted.has(key);
  }
}

/** Groups by `kid`, each in the order given. */
function groupByKid<T extends { readonly kid?: string | undefined }>(all: readonly T[]): Map<string | undefined, T[]> {
  const groups = new Map<string | undefined, T[]>();
  for (const one of all) {
    const list = groups.get(one.kid);
    if (list === undefined) groups.set(one.kid, [one]);
    else list.push(one);
  }
  return groups;
}

/** @param keys a list that is frozen by this */
function indexKeys(keys: readonly VerificationKey[]): KeysOfAlgorithm {
  const unnamed = keys.filter(({ kid }) => kid === undefined);
  const named = groupByKid(keys.filter(({ kid }) => kid !== undefined));
  return {
    all: Object.freeze(keys),
    unnamed: Object.freeze(unnamed),
    named: new Map([...named].map(([kid, list]) => [kid, Object.freeze([...list, ...unnamed])])),
  };
}

/** {@link mostTried} of algorithms whose signatures take several times as long to check as others. */
const MOST_TRIED: Readonly<Partial<Record<Algorithm, number>>> = {
  ES384: 4,
  ES512: 4,
  "ML-DSA-44": 4,
  "ML-DSA-65": 4,
  "ML-DSA-87": 4,
};

/**
 * Most keys of an algorithm that one token is tried against, from the first: 16, or 4 of P-384, P-521 and ML-DSA. Anyone
 * can send a token with a made-up signature, so its cost must not grow with the number of keys.
 */
export function mostTried(algorithm: Algorithm): number {
  return MOST_TRIED[algorithm] ?? 16;
}

/** Where a realm's keys come from, and how fresh they are. All times are milliseconds since 1970. */
export interface KeySource {
  /** The keys trusted now; undefined if none are usable yet or any longer. The same object while nothing changes. */
  current(now: number): KeySet | undefined;
  /**
   * Whether {@link current} answers a question for a key without another fetch: it has a key of this `kid`, used or left out;
   * or it was fetched after the question; or it was fetched after the first question for this `kid`, within the cooldown.
   * Always true for configured keys.
   *
   * @param kid the `kid` sought; undefined for any key
   * @param since when the question came
   * @param counts whether a key of the `kid` may be the one sought (default: each may); another issuer's key may not
   */
  answers(kid: string | undefined, since: number, now: number, counts?: KeyFilter): boolean;
  /**
   * Fetches the keys if that may help: none are usable, or {@link answers} is false. Never rejects.
   *
   * @param deadline when to stop waiting
   * @returns undefined if {@link current} is worth another look; otherwise the milliseconds until another fetch may have an answer
   */
  load(kid: string | undefined, since: number, deadline: number): Promise<number | undefined>;
  /** Milliseconds since the last fetch, of the oldest keys if there are several; undefined for configured keys. */
  age(now: number): number | undefined;
  /** Whether keys are used past their refresh time because they cannot be fetched at the moment. */
  isStale(): boolean;
}

/** A source of configured keys, which never change. */
export function staticSource(keys: Iterable<VerificationKey>, leftOut: readonly LeftOut[] = []): KeySource {
  const set = new KeySet(keys, leftOut);
  return {
    current: () => set,
    answers: () => true,
    load: () => Promise.resolve(undefined),
    age: () => undefined,
    isStale: () => false,
  };
}
