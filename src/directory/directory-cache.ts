import { randomBytes } from "node:crypto";
import type { Clock } from "../util/clock.js";
import type { Secret } from "../util/secret.js";
import { ID_LENGTH, isId, SECRET_LENGTH } from "./commands.js";
import type { DirectoryLack, DirectoryReads, KnownDirectory } from "./directory.js";
import { type CacheBounds, EntryCache, pairKey } from "./entry-cache.js";
import { DirectoryError } from "./errors.js";
import type { Change, Position, Positioned } from "./feed.js";
import { type FeedEvent, FeedFollower, type FeedReader } from "./feed-follower.js";
import { InstanceCache } from "./instance-cache.js";
import type { MasterKeys } from "./master-keys.js";
import type { Client, ClientRecord, Instance, InstanceRecord, User } from "./model.js";
import { RevocationList } from "./revocation-list.js";
import { clientSecretDigest, sameDigest } from "./sealing.js";
import { SingleFlight } from "./single-flight.js";

/** The most times an entry is read again because the feed had moved past the position of the read. */
const MAX_ROUNDS = 4;

/** What a {@link DirectoryCache} needs. */
export interface DirectoryCacheOptions {
  readonly directory: DirectoryReads;
  readonly masterKeys: MasterKeys;
  readonly clock: Clock;
  /** Milliseconds without a successful {@link DirectoryCache.follow} after which no answer may be used. Default 60,000. */
  readonly staleFor?: number;
  /** The most entries of each kind in memory; default 10,000 each, and 50,000 users. Revocations are held completely. */
  readonly bounds?: { readonly instances?: CacheBounds; readonly clients?: CacheBounds; readonly users?: CacheBounds };
  /** The most loads in flight; further ones are refused as unavailable. Default 10,000. */
  readonly maxLoads?: number;
  /** Makes the source of events; default: a {@link FeedFollower}, which reads them from the directory. */
  readonly feed?: (apply: (event: FeedEvent) => void) => FeedReader;
  /** Called after each event that was applied, with the position that it leads to. */
  readonly onEvent?: (event: FeedEvent, position: Position) => void;
}

/** Sizes and progress of a {@link DirectoryCache}, for metrics and readiness. */
export interface DirectoryCacheStats {
  /** Entries in memory, by kind. */
  readonly entries: Readonly<Record<"instance" | "client" | "user" | "revocation", number>>;
  /** The number of the last change that was applied. */
  readonly feedPosition: number;
  /** When the feed was last read to its end: milliseconds since 1970; -Infinity for never. */
  readonly followedAt: number;
}

type LackOf<Kind extends DirectoryLack["kind"]> = Extract<DirectoryLack, { kind: Kind }>;

/** How a missing entry is loaded. */
interface EntryLoad {
  /** Identifies the entry among those of its kind. */
  readonly key: string;
  readonly run: () => Promise<void>;
}

/**
 * The directory in memory. An entry is loaded when it is first needed, and kept until the feed reports a change to it.
 *
 * The cache is empty and not fresh before the first {@link follow}.
 */
export class DirectoryCache implements KnownDirectory {
  readonly #directory: DirectoryReads;
  readonly #masterKeys: MasterKeys;
  readonly #follower: FeedReader;
  readonly #instances: InstanceCache;
  readonly #clients: EntryCache<ClientRecord>;
  readonly #users: EntryCache<User>;
  #revocations = new RevocationList();
  readonly #loads: SingleFlight;
  /** Stands for an unknown client; no secret has its digest. */
  readonly #dummy = { keyId: "", secretDigest: randomBytes(32) };
  /** The process's digest of the secret that was found to be a client's: comparing it takes a fifth of the time of an HMAC. */
  readonly #proven = new WeakMap<object, string>([[this.#dummy, "-".repeat(32)]]);

  constructor({
    directory,
    masterKeys,
    clock,
    staleFor,
    bounds = {},
    maxLoads = 10_000,
    onEvent = () => {},
    feed = () =>
      new FeedFollower({
        directory,
        clock,
        staleFor,
        apply: (event, position) => {
          this.#apply(event);
          onEvent(event, position);
        },
      }),
  }: DirectoryCacheOptions) {
    this.#directory = directory;
    this.#masterKeys = masterKeys;
    this.#follower = feed((event) => this.#apply(event));
    this.#instances = new InstanceCache(bounds.instances ?? { known: 10_000, unknown: 10_000 });
    this.#clients = new EntryCache(bounds.clients ?? { known: 10_000, unknown: 10_000 });
    this.#users = new EntryCache(bounds.users ?? { known: 50_000, unknown: 10_000 });
    this.#loads = new SingleFlight(clock, maxLoads);
  }

  get position(): string {
    return this.#follower.positionText;
  }

  isFresh(now: number): boolean {
    return this.#follower.isFresh(now);
  }

  /** Sizes and progress at this moment. Takes time in proportion to the realms that have revocations. */
  stats(): DirectoryCacheStats {
    return {
      entries: {
        instance: this.#instances.size,
        client: this.#clients.size,
        user: this.#users.size,
        revocation: this.#revocations.size,
      },
      feedPosition: this.#follower.positionNumber,
      followedAt: this.#follower.followedAt,
    };
  }

  instance(secretKey: Secret): Instance | null | undefined {
    if (secretKey.length > SECRET_LENGTH) return null;
    const instance = this.#instances.get(secretKey.digest());
    if (instance !== undefined) return instance;
    return isId(secretKey.reveal(), SECRET_LENGTH) ? undefined : null;
  }

  client(clientId: string, clientSecret: Secret): Client | null | undefined {
    if (clientSecret.length > SECRET_LENGTH) return null;
    const record = this.#clients.get(clientId) ?? null;
    if (this.#isSecretOf(record, clientId, clientSecret)) return record;
    if (!isId(clientId, ID_LENGTH)) return null;
    // A refusal is cached under the id and the secret: a wrong secret for a cached client costs the same load as one for
    // an unknown client, so timing does not tell them apart.
    return this.#clients.get(credentialsKey(clientId, clientSecret)) === null ? null : undefined;
  }

  /** Compares with a dummy for unknown clients, so that timing does not reveal which ids exist. */
  #isSecretOf(record: ClientRecord | null, clientId: string, clientSecret: Secret): boolean {
    const { keyId, secretDigest } = record ?? this.#dummy;
    const digest = clientSecret.digest(clientId);
    if (this.#proven.get(record ?? this.#dummy) === digest) return true;
    const key = this.#masterKeys.byId.get(keyId) ?? this.#masterKeys.current;
    if (!sameDigest(clientSecretDigest(key, clientId, clientSecret), secretDigest)) return false;
    if (record !== null) this.#proven.set(record, digest);
    return true;
  }

  user(instanceId: string, userId: string): User | null | undefined {
    const user = this.#users.get(pairKey(instanceId, userId));
    if (user !== undefined) return user;
    return isId(instanceId, ID_LENGTH) && isId(userId, ID_LENGTH) ? undefined : null;
  }

  isRevoked(scope: string, jti: string | undefined, digest: () => string, narrower?: string): boolean {
    return this.#revocations.has(scope, jti, digest, narrower);
  }

  /**
   * Reads the feed to its end and drops every entry that it touched. Overlapping calls share one reading.
   *
   * @throws DirectoryError from the store; the cache keeps its entries, and goes stale after `staleFor`
   */
  follow(): Promise<void> {
    return this.#follower.follow();
  }

  /** True for a position at which an entry may be read and kept: see {@link FeedReader.covers}. */
  covers(position: Position): boolean {
    return this.#follower.covers(position);
  }

  /** All revocations at this moment. Another object once they were read anew. */
  get revocations(): RevocationList {
    return this.#revocations;
  }

  /**
   * Loads a missing entry, so that the same look-up then has an answer. Callers that need the same entry share one load.
   *
   * @param deadline milliseconds since 1970; Infinity for none
   * @throws DirectoryError `unavailable` or `unusable`
   */
  load(lack: DirectoryLack, deadline: number): Promise<void> {
    const { key, run } = (this.#loaders[lack.kind] as (lack: DirectoryLack) => EntryLoad)(lack);
    return this.#loads.run(`${lack.kind} ${key}`, deadline, run);
  }

  readonly #loaders: { readonly [Kind in DirectoryLack["kind"]]: (lack: LackOf<Kind>) => EntryLoad } = {
    instance: ({ secretKey }) => {
      const digest = secretKey.digest();
      const store = (record: InstanceRecord | null): void =>
        record === null ? this.#instances.addUnknown(digest) : this.#instances.add(record);
      return { key: digest, run: () => this.#read(() => this.#directory.instance(secretKey), store) };
    },
    client: ({ clientId, clientSecret }) => {
      const key = credentialsKey(clientId, clientSecret);
      const store = (record: ClientRecord | null): void => {
        if (record === null) this.#clients.drop(clientId);
        else if (!isSameClient(this.#clients.get(clientId), record)) this.#clients.set(clientId, record, clientId);
        if (!this.#isSecretOf(record, clientId, clientSecret)) this.#clients.set(key, null, clientId);
      };
      return { key, run: () => this.#read(() => this.#directory.client(clientId), store) };
    },
    user: ({ instanceId, userId }) => {
      const key = pairKey(instanceId, userId);
      const store = (user: User | null): void => this.#users.set(key, user, instanceId);
      return { key, run: () => this.#read(() => this.#directory.user(instanceId, userId), store) };
    },
  };

  /** Reads an entry, and stores it unless the feed has moved past the position of the read. */
  async #read<Value>(read: () => Promise<Positioned<Value>>, store: (value: Value) => void): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { value, position } = await read();
      if (this.#follower.covers(position)) return store(value);
      await this.follow();
    }
    throw new DirectoryError("unavailable", "The entry changed each time that it was read. Try again.");
  }

  #apply(event: FeedEvent): void {
    switch (event.kind) {
      case "changes":
        this.#drop(event.changes);
        break;
      case "drop":
        this.#dropEntries();
        break;
      case "reset":
        this.#dropEntries();
        this.#revocations = event.revocations;
        break;
      case "caughtUp":
        this.#revocations.sweep(event.now);
        break;
    }
  }

  #dropEntries(): void {
    this.#instances.clear();
    this.#clients.clear();
    this.#users.clear();
  }

  #drop(changes: readonly Change[]): void {
    const instances = new Set<string>();
    const clients = new Set<string>();
    for (const change of changes) {
      if (change.kind === "instance") {
        this.#instances.drop(change.instanceId);
        instances.add(change.instanceId);
      } else if (change.kind === "user") this.#users.drop(pairKey(change.instanceId, change.userId));
      else if (change.kind === "client") clients.add(change.clientId);
      else if (change.kind === "revocation") this.#revocations.add(change.revocation);
    }
    if (clients.size > 0) this.#clients.dropGroups(clients); // their refused secrets too
    if (instances.size > 0) {
      this.#instances.clearUnknown(); // any unknown secret key may belong to a changed instance now
      this.#users.dropGroups(instances); // a removed instance takes its users with it
    }
  }
}

/** True if the cached client is the one that was read. */
function isSameClient(cached: ClientRecord | null | undefined, { keyId, secretDigest }: ClientRecord): boolean {
  return cached?.keyId === keyId && sameDigest(cached.secretDigest, secretDigest);
}

/** The cache key of refused credentials. Client ids contain no control characters, so the key differs from every id. */
function credentialsKey(clientId: string, clientSecret: Secret): string {
  return `\0${clientSecret.digest(clientId)}`;
}
