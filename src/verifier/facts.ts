import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Evidence, Instant, Principal, Token } from "../contract/verifier.js";
import type { JsonObject } from "../jws/json.js";
import type { VerificationKey } from "../keys/key.js";
import type { Realm } from "./realm.js";

/**
 * That the bytes of a token verify under a key: a mathematical fact, which nothing can unmake. It counts only as long
 * as that very key object is trusted; what may change (time, rules, revocation, users) is looked at on every call.
 */
export interface Fact {
  readonly key: VerificationKey;
  readonly header: JsonObject;
  readonly claims: JsonObject;
  readonly token: Token;
  /** What it counts for in the cache: {@link factSize}. */
  readonly size: number;
  /** Whom the claims name, where the realm's subject is read from the claims. */
  readonly principal: Principal | undefined;
  /** The time at which the token expires for its realm, if it does. */
  readonly cacheableUntil: Instant | undefined;
  /** The evidence of the last call: the same object is given again as long as it says the same. */
  evidence: Evidence | undefined;
}

/** What an entry costs besides the token itself: the map's entry and the objects around it, in bytes. */
const ENTRY_OVERHEAD = 1200;

/**
 * An estimate of the memory that a fact holds, in bytes, from above: the payload's text, its encoded copy and the strings
 * parsed from it grow with the token's length; the objects, with how many members and elements there are, for `[{},{}]`
 * takes far more than its text.
 */
export function factSize(length: number, header: JsonObject, payload: string): number {
  const items = (JSON.stringify(header) + payload).match(/[,:[{]/g)?.length ?? 0;
  return ENTRY_OVERHEAD + length * 6 + items * 40;
}

/** The digest under which a token's fact is kept: SHA-256 over its exact bytes. A token that is no ASCII has none: it never verifies. */
export function tokenDigest(token: string): string {
  return hash("sha256", token, "binary");
}

/**
 * Remembers facts, each realm's apart. The least recently used go first where the bound is reached; no realm holds
 * more than half of it, so that a flood of tokens in one leaves the others theirs.
 */
export class FactCache {
  readonly #bound: number;
  readonly #realms = new Map<Realm, LRUCache<string, Fact>>();
  #hits = 0;
  #misses = 0;

  /** @param bound bytes, estimated; 0 keeps nothing */
  constructor(bound: number) {
    this.#bound = bound;
  }

  /** The fact of a digest, if it is known in this realm. */
  get(realm: Realm, digest: string): Fact | undefined {
    const fact = this.#realms.get(realm)?.get(digest);
    if (fact === undefined) this.#misses++;
    else this.#hits++;
    return fact;
  }

  /** Remembers a fact. */
  set(realm: Realm, digest: string, fact: Fact): void {
    const share = Math.floor(this.#bound / 2);
    const { size } = fact;
    if (size > share) return;
    let facts = this.#realms.get(realm);
    if (facts === undefined) {
      facts = new LRUCache({ maxSize: share });
      this.#realms.set(realm, facts);
    }
    facts.set(digest, fact, { size });
    while (this.bytes > this.#bound) this.#largest().pop();
  }

  /** Forgets the realms that are not among these: after a reload, those that changed or went. */
  keepOnly(realms: Iterable<Realm>): void {
    const kept = new Set(realms);
    for (const realm of this.#realms.keys()) if (!kept.has(realm)) this.#realms.delete(realm);
  }

  /** How often a fact was looked for, by whether there was one. */
  get lookups(): { readonly hit: number; readonly miss: number } {
    return { hit: this.#hits, miss: this.#misses };
  }

  /** The estimated bytes held. */
  get bytes(): number {
    let sum = 0;
    for (const facts of this.#realms.values()) sum += facts.calculatedSize;
    return sum;
  }

  #largest(): LRUCache<string, Fact> {
    return [...this.#realms.values()].reduce((a, b) => (b.calculatedSize > a.calculatedSize ? b : a));
  }
}
