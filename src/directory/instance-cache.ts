import { LRUCache } from "lru-cache";
import type { VerificationKey } from "../keys/key.js";
import { loadSecret } from "../keys/load.js";
import type { Secret } from "../util/secret.js";
import { secretKeyDigest } from "./digest.js";
import type { Instance, InstanceRecord } from "./directory.js";
import { type Bounds, pairKey } from "./entry-cache.js";
import type { MasterKey } from "./master-keys.js";

/**
 * The instances that were read, found by the digest of any of their secret keys.
 *
 * The digest is always that under the current master key, whichever the store holds: one HMAC finds an instance.
 */
export class KnownInstances {
  readonly #masterKey: MasterKey;
  readonly #byId: LRUCache<string, { readonly instance: Instance; readonly digests: readonly string[] }>;
  readonly #byDigest = new Map<string, Instance>();
  readonly #unknown: LRUCache<string, true>;
  // Outlives the instances: one that is read anew has the same key objects, which the cache of facts goes by.
  readonly #keys: LRUCache<string, VerificationKey>;

  constructor(masterKey: MasterKey, bounds: Bounds) {
    this.#masterKey = masterKey;
    this.#byId = new LRUCache({
      max: bounds.known,
      dispose: ({ digests }) => {
        for (const digest of digests) this.#byDigest.delete(digest);
      },
    });
    this.#unknown = new LRUCache({ max: bounds.unknown });
    this.#keys = new LRUCache({ max: bounds.known * 4 });
  }

  /** How many instances are remembered. */
  get size(): number {
    return this.#byId.size;
  }

  /** What a secret key is found by. */
  digest(secretKey: Secret): string {
    return secretKeyDigest(this.#masterKey, secretKey).toString("base64url");
  }

  /** The instance of a digest; null where there is known to be none; undefined where nothing is known. */
  get(digest: string): Instance | null | undefined {
    const instance = this.#byDigest.get(digest);
    if (instance === undefined) return this.#unknown.get(digest) === true ? null : undefined;
    this.#byId.get(instance.id); // marks it as used
    return instance;
  }

  /** Remembers an instance. */
  add(record: InstanceRecord): void {
    const { id, appId, secretKeys } = record;
    const digests = secretKeys.map((secretKey) => this.digest(secretKey));
    const keys = secretKeys.map((secretKey, index) => this.#key(pairKey(id, digests[index] ?? ""), secretKey));
    const instance: Instance = { id, appId, keys };
    this.drop(id);
    this.#byId.set(id, { instance, digests });
    for (const digest of digests) {
      this.#unknown.delete(digest);
      this.#byDigest.set(digest, instance);
    }
  }

  /** Remembers that no instance has this digest. */
  addUnknown(digest: string): void {
    this.#unknown.set(digest, true);
  }

  /** Forgets an instance. */
  drop(id: string): void {
    this.#byId.delete(id);
  }

  /** Forgets which digests belong to nobody. */
  clearUnknown(): void {
    this.#unknown.clear();
  }

  /** Forgets everything but the key objects. */
  clear(): void {
    this.#byId.clear();
    this.#unknown.clear();
  }

  #key(name: string, secretKey: Secret): VerificationKey {
    let key = this.#keys.get(name);
    if (key === undefined) {
      // How long a secret key must be was settled when it was let into the store.
      key = loadSecret(secretKey.reveal(), { algorithm: "HS256", minBytes: 1 });
      this.#keys.set(name, key);
    }
    return key;
  }
}
