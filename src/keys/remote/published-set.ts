import { isDeepStrictEqual } from "node:util";
import { readObject } from "../../jws/json.js";
import type { LoadedSet } from "../jwks.js";
import { isExpired, KeyError, keptKey, keyName } from "../key.js";
import { KeySet } from "../key-set.js";
import type { LeftOut } from "../left-out.js";
import type { Memory } from "./documents.js";

/** The differences between a key set and the one before it. */
export interface SetChanges {
  /** Names of the new keys: see {@link keyName}. */
  readonly added: readonly string[];
  /** Names of the keys that are gone. */
  readonly removed: readonly string[];
  /** The unusable keys, if they differ from those before; otherwise empty. */
  readonly leftOut: readonly LeftOut[];
  /** Names of those new keys whose `issuer` is no text; absent if there are none. */
  readonly ignoringIssuer?: readonly string[];
}

/** No differences. */
export const NO_CHANGES: SetChanges = { added: [], removed: [], leftOut: [] };

/**
 * Loads a document of an issuer's keys, of any kind.
 *
 * @throws {KeyError} if it has no usable key
 */
export type LoadSet = (value: unknown) => LoadedSet;

/** The last good key set of an issuer, in the forms in which it is used, compared and saved. */
export class PublishedSet {
  readonly #loadSet: LoadSet;
  #set: KeySet | undefined;
  #document = "";
  #memory: Memory | undefined;

  constructor(load: LoadSet) {
    this.#loadSet = load;
  }

  /** The keys; undefined before the first good set. The same object while neither a key nor what is left out changes. */
  get set(): KeySet | undefined {
    return this.#set;
  }

  /** The keys of the set that are not used. */
  get leftOut(): readonly LeftOut[] {
    return this.#set?.leftOut ?? [];
  }

  /** Names of the keys whose certificates have expired. */
  expired(now: number): readonly string[] {
    return [...new Set(this.#set?.keys.filter((key) => isExpired(key, now)).map(keyName))];
  }

  /** The document as JSON; empty before the first good set. */
  get document(): string {
    return this.#document;
  }

  /** What a conditional request needs; undefined before the first fetch of this run. */
  get memory(): Memory | undefined {
    return this.#memory;
  }

  /**
   * Replaces the set. If this throws, the set before it remains as it was.
   *
   * @param value a parsed JSON value of any kind
   * @throws {KeyError} if it is not a key set, or has no usable key
   */
  replace(value: unknown, memory: Memory): SetChanges {
    const document = JSON.stringify(value);
    const changes = document === this.#document ? NO_CHANGES : this.#load(value, document);
    this.#memory = memory;
    return changes;
  }

  /**
   * Loads a document that an earlier run saved. Returns false for one that this version, or the realm's algorithms, no
   * longer accept; it is then as if none had been saved.
   */
  restore(document: string): boolean {
    const read = readObject(Buffer.from(document));
    if (read === undefined) return false;
    try {
      this.#load(read.value, document);
      return true;
    } catch (error) {
      if (error instanceof KeyError) return false;
      throw error;
    }
  }

  #load(value: unknown, document: string): SetChanges {
    const loaded = this.#loadSet(value);
    const before = this.#set?.keys ?? [];
    const keys = loaded.keys.map((key, index) => keptKey(before, index, key));
    const isSame = keys.length === before.length && keys.every((key, index) => key === before[index]);
    const leavesOutSame = isDeepStrictEqual(loaded.leftOut, this.leftOut);
    const added = keys.filter((key) => !before.includes(key));
    const ignoringIssuer = added.filter(({ ignoresIssuer }) => ignoresIssuer).map(keyName);
    const changes = {
      added: added.map(keyName),
      ...(ignoringIssuer.length > 0 && { ignoringIssuer }),
      removed: before.filter((key) => !keys.includes(key)).map(keyName),
      leftOut: leavesOutSame ? [] : loaded.leftOut,
    };
    // Nothing below can throw.
    if (!isSame || !leavesOutSame || this.#set === undefined) this.#set = new KeySet(keys, loaded.leftOut);
    this.#document = document;
    return changes;
  }
}
