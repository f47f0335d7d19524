import { hash } from "node:crypto";
import type { Principal } from "../contract/verifier.js";
import type { KeyWords } from "../directory/revocation.js";
import type { JsonObject } from "../jws/json.js";
import type { VerificationKey } from "../keys/key.js";
import { type FactContent, FactSizes } from "./fact-size.js";
import type { Realm } from "./realm.js";
import type { SignedToken } from "./signed-token.js";

/** A selector that selects a token, and the others after it: a list that one fact keeps. */
export interface TokenSelector extends KeyWords {
  /** The position of its kind in `SELECTOR_KINDS`. */
  readonly kind: number;
  /** The claim of the rejection; empty for a digest and an instance. */
  readonly claim: string;
  readonly next: TokenSelector | undefined;
}

/**
 * States that the bytes of a token verify under a key, which can never change. It counts only while that very key object is
 * trusted. Time, revocation, callers and users may change and are checked on every call; a rule that depends on the token
 * alone is not run again once the token has passed it.
 *
 * Tens of thousands are in memory, so it holds nothing twice, and nothing that the token's claims say.
 */
export class Fact {
  readonly key: VerificationKey;
  readonly token: SignedToken;
  /** A principal that takes long to read from the claims; undefined for one that is read for each verdict, or that is not in them. */
  readonly principal: Principal | undefined;
  /** The memory that it takes in the cache in bytes, as {@link FactSizes} estimates it. */
  size: number;
  /** The kinds and scopes by which tokens of its realm were revoked when `selectors` was made; see `RevocationLookup`. */
  revocable = 0;
  /** The `kid`s of its key that `selectors` was made for; undefined if no key was revoked. */
  kids: readonly string[] | undefined = undefined;
  /** The selectors of these kinds and scopes that select the token. */
  selectors: TokenSelector | undefined = undefined;
  /** Which of its realm's lists of steps a call for it runs; steps.ts makes them. 0: all. */
  plan = 0;

  // For the cache alone: the key that it is cached under, and its neighbours by the time of their last use.
  digest = "";
  newer: Fact | undefined = undefined;
  older: Fact | undefined = undefined;

  constructor(content: FactContent, size: number) {
    this.key = content.key;
    this.token = content.token;
    this.principal = content.principal;
    this.size = size;
  }
}

/** The digest that a token's fact is cached under: SHA-256 over its exact bytes. A token that is not ASCII never verifies. */
export function tokenDigest(token: string): string {
  return hash("sha256", token, "binary");
}

/** Most headers that the facts of a realm share, and the longest one, in characters of the token. */
const [MAX_HEADERS, MAX_HEADER] = [64, 1024];

/** The facts of a realm, the least recently used evicted first. */
class RealmFacts {
  readonly #byDigest = new Map<string, Fact>();
  readonly #headers = new Map<string, JsonObject>();
  #newest: Fact | undefined;
  #oldest: Fact | undefined;
  /** Estimated size of all of them. */
  bytes = 0;

  get(digest: string): Fact | undefined {
    const fact = this.#byDigest.get(digest);
    if (fact !== undefined && fact !== this.#newest) {
      this.#unlink(fact);
      this.#link(fact);
    }
    return fact;
  }

  set(digest: string, fact: Fact): void {
    const before = this.#byDigest.get(digest);
    if (before !== undefined) this.#drop(before);
    fact.digest = digest;
    this.#byDigest.set(digest, fact);
    this.#link(fact);
    this.bytes += fact.size;
  }

  has(fact: Fact): boolean {
    return this.#byDigest.get(fact.digest) === fact;
  }

  evict(): void {
    if (this.#oldest !== undefined) this.#drop(this.#oldest);
  }

  /** The first header that was given for this segment of a token; undefined if it is not kept. */
  header(segment: string): JsonObject | undefined {
    return this.#headers.get(segment);
  }

  keepHeader(segment: string, header: JsonObject): void {
    if (segment.length > MAX_HEADER) return;
    if (this.#headers.size >= MAX_HEADERS) this.#headers.clear();
    // A copy: V8 keeps the whole text of which a string is a part.
    this.#headers.set(Buffer.from(segment, "latin1").toString("latin1"), header);
  }

  #drop(fact: Fact): void {
    this.#byDigest.delete(fact.digest);
    this.#unlink(fact);
    this.bytes -= fact.size;
  }

  #link(fact: Fact): void {
    fact.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = fact;
    else this.#newest.newer = fact;
    this.#newest = fact;
  }

  #unlink(fact: Fact): void {
    const { newer, older } = fact;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    // An evicted fact that is old for the collector must not keep its neighbours.
    fact.newer = undefined;
    fact.older = undefined;
  }
}

/**
 * Caches facts for each realm separately. At the bound it evicts the least recently used facts of the largest realm. No realm
 * holds more than half of the bound, so that a flood of tokens in one realm does not evict those of all others.
 */
export class FactCache {
  readonly #bound: number;
  readonly #share: number;
  readonly #realms = new Map<Realm, RealmFacts>();
  readonly #sizes = new FactSizes();
  #bytes = 0;
  #hits = 0;
  #misses = 0;

  /** @param bound estimated bytes; 0 caches nothing */
  constructor(bound: number) {
    this.#bound = bound;
    this.#share = Math.floor(bound / 2);
  }

  /** The fact cached for a digest in this realm. */
  get(realm: Realm, digest: string): Fact | undefined {
    const fact = this.#realms.get(realm)?.get(digest);
    if (fact === undefined) this.#misses++;
    else this.#hits++;
    return fact;
  }

  /** Makes the fact that a token's digest is cached under, and caches it, unless it is larger than a realm's share. */
  set(realm: Realm, digest: string, content: FactContent): Fact {
    const fact = new Fact(content, this.#sizes.estimate(content));
    if (fact.size > this.#share) return fact;
    const facts = this.#of(realm);
    this.#bytes -= facts.bytes;
    facts.set(digest, fact);
    this.#bytes += facts.bytes;
    this.#keepBounds(facts);
    return fact;
  }

  /** Notes that a fact takes more memory than before, or less if negative; evicts others as {@link set} does. */
  grow(realm: Realm, fact: Fact, by: number): void {
    const facts = this.#realms.get(realm);
    if (facts?.has(fact) !== true) return;
    fact.size += by;
    facts.bytes += by;
    this.#bytes += by;
    this.#keepBounds(facts);
  }

  /**
   * The one object for all headers of a realm that are spelled the same, whose tokens verified.
   *
   * @param segment the header as the token spells it
   * @param header what that reads as
   * @returns the object kept for it; undefined if this is the first
   */
  sharedHeader(realm: Realm, segment: string, header: JsonObject): JsonObject | undefined {
    const facts = this.#of(realm);
    const known = facts.header(segment);
    if (known === undefined) facts.keepHeader(segment, header);
    return known;
  }

  /** Drops the facts of all other realms; called after a reload. */
  keepOnly(realms: Iterable<Realm>): void {
    const kept = new Set(realms);
    for (const [realm, facts] of this.#realms) {
      if (kept.has(realm)) continue;
      this.#realms.delete(realm);
      this.#bytes -= facts.bytes;
    }
  }

  /** Number of lookups that found a fact, and that found none. */
  get lookups(): { readonly hit: number; readonly miss: number } {
    return { hit: this.#hits, miss: this.#misses };
  }

  /** Estimated size of all facts in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  #of(realm: Realm): RealmFacts {
    let facts = this.#realms.get(realm);
    if (facts === undefined) {
      facts = new RealmFacts();
      this.#realms.set(realm, facts);
    }
    return facts;
  }

  /** Evicts facts of a realm that has grown, and then of others. */
  #keepBounds(facts: RealmFacts): void {
    this.#bytes -= facts.bytes;
    while (facts.bytes > this.#share) facts.evict();
    this.#bytes += facts.bytes;
    while (this.#bytes > this.#bound) this.#evictFromLargest();
  }

  #evictFromLargest(): void {
    let largest: RealmFacts | undefined;
    for (const facts of this.#realms.values()) {
      if (largest === undefined || facts.bytes > largest.bytes) largest = facts;
    }
    if (largest === undefined) return;
    this.#bytes -= largest.bytes;
    largest.evict();
    this.#bytes += largest.bytes;
  }
}
