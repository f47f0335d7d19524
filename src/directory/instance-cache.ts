import { LRUCache } from "lru-cache";
import type { VerificationKey } from "../keys/key.js";
import { loadSecret } from "../keys/secret.js";
import type { Secret } from "../util/secret.js";
import { type CacheBounds, pairKey } from "./entry-cache.js";
import type { Instance, InstanceRecord } from "./model.js";

/** An instance in the cache. */
interface Cached {
  readonly instance: Instance;
  readonly record: InstanceRecord;
  readonly digests: readonly string[];
  /** When the first of its secret keys retires, in milliseconds since 1970 by the store's clock; Infinity for never. */
  readonly retiresAt: number;
}

/**
 * Instances by the digest of any of their secret keys, the least recently used evicted first. The digests are those of this
 * process, not the store's: they take a quarter of the time of an HMAC.
 */
export class InstanceCache {
  readonly #byId: LRUCache<string, Cached>;
  readonly #byDigest = new Map<string, Cached>();
  readonly #unknown: LRUCache<string, true>;
  // Outlives the instances: an instance that is read again gets the same key objects, and so keeps its cached facts.
  readonly #keys: LRUCache<string, VerificationKey>;

  constructor(bounds: CacheBounds) {
    this.#byId = new LRUCache({
      max: bounds.known,
      dispose: ({ digests }) => {
        for (const digest of digests) this.#byDigest.delete(digest);
      },
    });
    this.#unknown = new LRUCache({ max: bounds.unknown });
    this.#keys = new LRUCache({ max: bounds.known * 4 });
  }

  /** The number of instances in the cache. */
  get size(): number {
    return this.#byId.size;
  }

  /**
   * The instance with a digest that {@link Secret.digest} made without a scope; null if there is known to be none; undefined
   * if it is not cached.
   *
   * @param now milliseconds since 1970 by the store's clock: a secret key that has retired by then counts no more
   */
  get(digest: string, now: number): Instance | null | undefined {
    const cached = this.#byDigest.get(digest);
    if (cached === undefined) return this.#unknown.get(digest) === true ? null : undefined;
    if (now >= cached.retiresAt) {
      this.add(cached.record, now);
      const { instance } = this.#byDigest.get(digest) ?? {};
      return instance ?? null;
    }
    this.#byId.get(cached.record.id); // marks it as recently used
    return cached.instance;
  }

  /** Caches an instance with the secret keys that have not retired, in place of the one with its id. @param now see {@link get} */
  add(record: InstanceRecord, now: number): void {
    const { id, appId } = record;
    const secrets = record.secretKeys.filter(({ retiresAt }) => retiresAt === null || retiresAt > now);
    const digests = secrets.map(({ secret }) => secret.digest());
    const keys = secrets.map(({ secret }, index) => this.#key(pairKey(id, digests[index] ?? ""), secret));
    const retiresAt = Math.min(...secrets.map((secret) => secret.retiresAt ?? Number.POSITIVE_INFINITY));
    const cached: Cached = { instance: { id, appId, keys }, record, digests, retiresAt };
    this.drop(id);
    this.#byId.set(id, cached);
    for (const digest of digests) {
      this.#unknown.delete(digest);
      this.#byDigest.set(digest, cached);
    }
  }

  /** Caches that no instance has a digest. */
  addUnknown(digest: string): void {
    this.#unknown.set(digest, true);
  }

  /** Drops an instance. */
  drop(id: string): void {
    this.#byId.delete(id);
  }

  /** Drops all digests that no instance has. */
  clearUnknown(): void {
    this.#unknown.clear();
  }

  /** Drops everything but the key objects. */
  clear(): void {
    this.#byId.clear();
    this.#unknown.clear();
  }

  #key(name: string, secretKey: Secret): VerificationKey {
    let key = this.#keys.get(name);
    if (key === undefined) {
      // The length of a secret key was checked before it got into the store.
      key = loadSecret(secretKey.reveal(), { algorithm: "HS256", minBytes: 1 });
      this.#keys.set(name, key);
    }
    return key;
  }
}
