import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Evidence, Instant, Principal, Token } from "../contract/verifier.js";
import type { JsonObject } from "../jws/json.js";
import type { VerificationKey } from "../keys/key.js";
import type { Realm } from "./realm.js";

/**
 * States that the bytes of a token verify under a key, which can never change. It counts only while that very key object is
 * trusted. Time, rules, revocation and users may change and are checked on every call.
 */
export interface Fact {
  readonly key: VerificationKey;
  readonly header: JsonObject;
  readonly claims: JsonObject;
  readonly token: Token;
  /** The `jti` as text, for revocation; undefined if it is neither a string nor a number. */
  readonly jti: string | undefined;
  /** The issuer's scope for revocations, as {@link revocationScope} names it; undefined without a `jti`, or with a vendor's preset. */
  readonly scope: string | undefined;
  /** Its size in the cache, as {@link factSize} estimates it. */
  readonly size: number;
  /** The principal, if the realm reads it from the claims. */
  readonly principal: Principal | undefined;
  /** When the token expires for its realm; undefined if it does not. */
  readonly cacheableUntil: Instant | undefined;
  /** The evidence of the last call, reused while its content is the same. */
  evidence: Evidence | undefined;
}

/** Size of an entry without the token, in bytes: the map's entry and the objects around it. */
const ENTRY_OVERHEAD = 1200;

/**
 * An upper estimate of the memory that a fact occupies, in bytes. The payload's text, its encoded copy and the parsed strings
 * grow with the token's length. Parsed objects grow with the number of members and elements: `[{},{}]` takes far more
 * memory than its text. An object whose names no other one has takes the most: V8 describes its shape for it alone.
 */
export function factSize(length: number, header: JsonObject, payload: string): number {
  const json = JSON.stringify(header) + payload;
  const items = json.match(/[,:[{]/g)?.length ?? 0;
  const objects = json.match(/\{/g)?.length ?? 0;
  return ENTRY_OVERHEAD + length * 6 + items * 40 + objects * 60;
}

/** The digest that a token's fact is cached under: SHA-256 over its exact bytes. A token that is not ASCII never verifies. */
export function tokenDigest(token: string): string {
  return hash("sha256", token, "binary");
}

/**
 * Caches facts for each realm separately. At the bound it evicts the least recently used facts of the largest realm. No realm
 * holds more than half of the bound, so that a flood of tokens in one realm does not evict those of all others.
 */
export class FactCache {
  readonly #bound: number;
  readonly #realms = new Map<Realm, LRUCache<string, Fact>>();
  #hits = 0;
  #misses = 0;

  /** @param bound estimated bytes; 0 caches nothing */
  constructor(bound: number) {
    this.#bound = bound;
  }

  /** The fact cached for a digest in this realm. */
  get(realm: Realm, digest: string): Fact | undefined {
    const fact = this.#realms.get(realm)?.get(digest);
    if (fact === undefined) this.#misses++;
    else this.#hits++;
    return fact;
  }

  /** Caches a fact. */
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

  /** Drops the facts of all other realms; called after a reload. */
  keepOnly(realms: Iterable<Realm>): void {
    const kept = new Set(realms);
    for (const realm of this.#realms.keys()) if (!kept.has(realm)) this.#realms.delete(realm);
  }

  /** Number of lookups that found a fact, and that found none. */
  get lookups(): { readonly hit: number; readonly miss: number } {
    return { hit: this.#hits, miss: this.#misses };
  }

  /** Estimated size of all facts in bytes. */
  get bytes(): number {
    let sum = 0;
    for (const facts of this.#realms.values()) sum += facts.calculatedSize;
    return sum;
  }

  #largest(): LRUCache<string, Fact> {
    return [...this.#realms.values()].reduce((a, b) => (b.calculatedSize > a.calculatedSize ? b : a));
  }
}
