import { LRUCache } from "lru-cache";
import type { VerificationKey } from "../keys/key.js";
import { loadSecret } from "../keys/secret.js";
import type { Secret } from "../util/secret.js";
import { type CacheBounds, pairKey } from "./entry-cache.js";
import type { Instance, InstanceRecord } from "./model.js";

/**
 * Instances by the digest of any of their secret keys, the least recently used evicted first. The digests are those of this
 * process, not the store's: they take a quarter of the time of an HMAC.
 */
export class InstanceCache {
  readonly #byId: LRUCache<string, { readonly instance: Instance; readonly digests: readonly string[] }>;
  readonly #byDigest = new Map<string, Instance>();
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

  /** The instance with a digest that {@link Secret.digest} made without a scope; null if there is known to be none; undefined if it is not cached. */
  get(digest: string): Instance | null | undefined {
    const instance = this.#byDigest.get(digest);
    if (instance === undefined) return this.#unknown.get(digest) === true ? null : undefined;
    this.#byId.get(instance.id); // marks it as recently used
    return instance;
  }

  /** Caches an instance, in place of the one with its id. */
  add(record: InstanceRecord): void {
    const { id, appId, secretKeys } = record;
    const digests = secretKeys.map((secretKey) => secretKey.digest());
    const keys = secretKeys.map((secretKey, index) => this.#key(pairKey(id, digests[index] ?? ""), secretKey));
    const instance: Instance = { id, appId, keys };
    this.drop(id);
    this.#byId.set(id, { instance, digests });
    for (const digest of digests) {
      this.#unknown.delete(digest);
      this.#byDigest.set(digest, instance);
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
