import type { Algorithm } from "../jws/algorithms.js";
import type { VerificationKey } from "./key.js";

/** The keys of one algorithm, as tokens find them. */
interface Shelf {
  /** For tokens without a `kid`. */
  readonly all: readonly VerificationKey[];
  /** For tokens with a `kid` that no key has: the keys without one. */
  readonly unnamed: readonly VerificationKey[];
  /** For tokens with the `kid` of a key. */
  readonly named: ReadonlyMap<string, readonly VerificationKey[]>;
}

const NONE: readonly VerificationKey[] = [];

/** Keys that a realm or an instance trusts. Never changes: other keys are another set. */
export class KeySet {
  /** All of them, in the order given, each once. */
  readonly keys: readonly VerificationKey[];
  readonly #trusted: ReadonlySet<VerificationKey>;
  readonly #kids: ReadonlySet<string>;
  readonly #shelves: ReadonlyMap<Algorithm, Shelf>;

  /** @param keys the order is that in which they are tried */
  constructor(keys: Iterable<VerificationKey>) {
    this.#trusted = new Set(keys);
    this.keys = Object.freeze([...this.#trusted]);
    this.#kids = new Set(this.keys.flatMap(({ kid }) => kid ?? []));
    const algorithms = new Set(this.keys.map(({ algorithm }) => algorithm));
    this.#shelves = new Map(
      [...algorithms].map((name) => [name, shelve(this.keys.filter(({ algorithm }) => algorithm === name))]),
    );
  }

  /** How many keys there are. */
  get size(): number {
    return this.keys.length;
  }

  /**
   * The keys that may have signed a token, in the order in which they are tried: those of its `kid`, then those without a
   * `kid`; for a token without one, every key of the algorithm. Makes nothing: the same list for the same question.
   */
  select(kid: string | undefined, algorithm: Algorithm): readonly VerificationKey[] {
    const shelf = this.#shelves.get(algorithm);
    if (shelf === undefined) return NONE;
    return kid === undefined ? shelf.all : (shelf.named.get(kid) ?? shelf.unnamed);
  }

  /** Whether a key has this `kid`, whatever its algorithm. */
  hasKid(kid: string): boolean {
    return this.#kids.has(kid);
  }

  /** Whether this very object is one of the keys. */
  trusts(key: VerificationKey): boolean {
    return this.#trusted.has(key);
  }
}

/** @param keys a list of its own */
function shelve(keys: readonly VerificationKey[]): Shelf {
  const unnamed = keys.filter(({ kid }) => kid === undefined);
  const named = new Map<string, VerificationKey[]>();
  for (const key of keys) {
    if (key.kid === undefined) continue;
    const list = named.get(key.kid);
    if (list === undefined) named.set(key.kid, [key]);
    else list.push(key);
  }
  return {
    all: Object.freeze(keys),
    unnamed: Object.freeze(unnamed),
    named: new Map([...named].map(([kid, list]) => [kid, Object.freeze([...list, ...unnamed])])),
  };
}
