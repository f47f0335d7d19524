import { randomBytes } from "node:crypto";
import { type Clock, steadyClock } from "../util/clock.js";
import type { Secret } from "../util/secret.js";
import { ID_LENGTH, isId, SECRET_LENGTH } from "./commands.js";
import type { DirectoryLack, DirectoryReads, KnownDirectory } from "./directory.js";
import { type CacheBounds, EntryCache, pairKey } from "./entry-cache.js";
import { DirectoryError } from "./errors.js";
import type { Change } from "./feed.js";
import { type FeedEvent, FeedFollower, type FeedReader } from "./feed-follower.js";
import { InstanceCache } from "./instance-cache.js";
import type { Client, ClientRecord, Instance, InstanceRecord, StoredClientSecret, User } from "./model.js";
import type { Position, Positioned } from "./position.js";
import type { RecentRevocations } from "./recent-revocations.js";
import { RevocationMemory } from "./revocation-memory.js";
import type { LifetimesByRealm } from "./revocation-set.js";
import { clientSecretDigest, sameDigest } from "./sealing.js";
import { SingleFlight } from "./single-flight.js";
import type { Suspension } from "./suspension.js";

/** The most times an entry is read again because the feed had moved past the position of the read. */
const MAX_ROUNDS = 4;

/** What a {@link DirectoryCache} needs. */
export interface DirectoryCacheOptions {
  readonly directory: DirectoryReads;
  readonly clock: Clock;
  /** Milliseconds without a successful {@link DirectoryCache.follow} after which no answer may be used. Default 60,000. */
  readonly staleFor?: number;
  /** The most entries of each kind in memory; default 10,000 each, and 50,000 users. Revocations are held completely. */
  readonly bounds?: { readonly instances?: CacheBounds; readonly clients?: CacheBounds; readonly users?: CacheBounds };
  /** The most loads in flight; further ones are refused as unavailable. Default 10,000. */
  readonly maxLoads?: number;
  /** Milliseconds by which this machine's clock may differ from the store's for verdicts to be given. Default 30,000. */
  readonly maxClockOffset?: number | undefined;
  /** Draws the wait before revocations are loaded again, from 0 to 1; default `Math.random`. */
  readonly random?: () => number;
  /** Since when the store has left a write of this process without any answer, on the steady clock; default: never. */
  readonly unansweredSince?: () => number;
  /** Called when a client shows a secret whose digest is under an older look-up key than the newest. Default: does nothing. */
  readonly onOlderKey?: (clientId: string, keyId: string, secret: Secret) => void;
  /** Notes the revocations that come by the feed, and holds those that count beside the ones of a store that lost them. */
  readonly recent?: RecentRevocations | undefined;
  /** Tells whether the process was suspended, after which one reading of the feed is awaited; default: never. */
  readonly suspension?: Suspension | undefined;
  /** Makes the source of events; default: a {@link FeedFollower}, which reads them from the directory. */
  readonly feed?: (apply: (event: FeedEvent) => void) => FeedReader;
  /** Called after each event that was applied, with the position that it leads to. */
  readonly onEvent?: (event: FeedEvent, position: Position) => void;
}

/** Where the load of the revocations is: never done, done, or to be done again. */
type RevocationLoad =
  | { readonly state: "never" | "loaded" }
  | { readonly state: "reloading"; readonly timer: NodeJS.Timeout };

/** The longest random wait before revocations are loaded again, and its share for each of them, in milliseconds. */
const [MAX_SPREAD, SPREAD_PER_REVOCATION] = [5_000, 0.005];
/** Milliseconds after which a load that failed is tried again. */
const RETRY_AFTER = 1_000;

/** Stands for an unknown client; no secret has its digest. */
const DUMMY: Pick<ClientRecord, "secrets"> = {
  secrets: [{ keyId: "", digest: randomBytes(32), retiresAt: null }],
};

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
  readonly #clock: Clock;
  readonly #maxClockOffset: number;
  readonly #follower: FeedReader;
  readonly #instances: InstanceCache;
  readonly #clients: EntryCache<ClientRecord>;
  readonly #users: EntryCache<User>;
  /** All revocations, loaded again where the feed cannot tell what changed. */
  readonly revocations = new RevocationMemory();
  #load: RevocationLoad = { state: "never" };
  #isClosed = false;
  /** Positions ahead of the feed at which entries were read, by number. */
  readonly #ahead = new Map<number, { readonly mark: string; readonly readAt: number }>();
  readonly #loads: SingleFlight;
  /** The process's digest of the text that was found to be this secret: comparing it takes a fifth of the time of an HMAC. */
  readonly #proven = new WeakMap<StoredClientSecret, string>();
  readonly #random: () => number;
  /** As of the last reading of the feed, if an older one is to be told of; asking for it at each call would cost as much as the rest of a look-up. */
  #newestKeyId: string | undefined;
  readonly #onOlderKey: DirectoryCacheOptions["onOlderKey"];
  readonly #recent: RecentRevocations | undefined;
  readonly #suspension: Suspension | undefined;
  /** True from the moment at which the store is found to have gone back in time until it has what it lost. */
  #isRecovering = false;

  constructor({
    directory,
    clock,
    staleFor,
    maxClockOffset = 30_000,
    random = Math.random,
    bounds = {},
    maxLoads = 10_000,
    onEvent = () => {},
    onOlderKey,
    unansweredSince,
    recent,
    suspension,
    feed = () =>
      new FeedFollower({
        directory,
        clock,
        staleFor,
        ...(unansweredSince && { unansweredSince }),
        apply: (event, position) => {
          this.#apply(event);
          onEvent(event, position);
        },
      }),
  }: DirectoryCacheOptions) {
    this.#directory = directory;
    this.#clock = clock;
    this.#maxClockOffset = maxClockOffset;
    this.#random = random;
    this.#onOlderKey = onOlderKey;
    this.#recent = recent;
    this.#suspension = suspension;
    if (suspension !== undefined) suspension.follow = () => this.follow();
    this.#follower = feed((event) => this.#apply(event));
    this.#instances = new InstanceCache(bounds.instances ?? { known: 10_000, unknown: 10_000 });
    this.#clients = new EntryCache(bounds.clients ?? { known: 10_000, unknown: 10_000 });
    this.#users = new EntryCache(bounds.users ?? { known: 50_000, unknown: 10_000 });
    this.#loads = new SingleFlight(clock, maxLoads);
  }

  /** Called at the end of the turn in which an event was applied, when the position has moved past it. Default: does nothing. */
  onApplied: (event: FeedEvent) => void = () => {};

  get position(): Position | undefined {
    return this.#follower.position;
  }

  feedAge(now: number): number {
    return Math.max(0, now - this.#follower.followedAt);
  }

  /** False as long as the revocations were never loaded, too: without them, a revoked token would be accepted. */
  isFresh(now: number, staleFor?: number): boolean {
    return this.#hasRevocations && this.isClockRight && this.#follower.isFresh(now, staleFor);
  }

  wasSuspended(now: number): boolean {
    return this.#suspension?.isAfterGap(now) === true;
  }

  /** Says that the store has what it lost: revocations that are loaded from now on are the store's alone. */
  endRecovery(): void {
    this.#isRecovering = false;
  }

  /** False if this machine's clock and the store's are further apart than `maxClockOffset`. */
  get isClockRight(): boolean {
    return Math.abs(this.#directory.clockOffset) <= this.#maxClockOffset;
  }

  /** The time by the store's clock, in milliseconds since 1970: by it secrets retire. */
  get #storeTime(): number {
    return this.#clock() - this.#directory.clockOffset;
  }

  /** Sizes and progress at this moment. */
  stats(): DirectoryCacheStats {
    return {
      entries: {
        instance: this.#instances.size,
        client: this.#clients.size,
        user: this.#users.size,
        revocation: this.revocations.size,
      },
      feedPosition: this.#follower.position?.number ?? 0,
      followedAt: this.#follower.followedAt,
    };
  }

  instance(secretKey: Secret): Instance | null | undefined {
    if (secretKey.length > SECRET_LENGTH) return null;
    const instance = this.#instances.get(secretKey.digest(), this.#storeTime);
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
    const digest = clientSecret.digest(clientId);
    const { secrets } = record ?? DUMMY;
    const now = this.#storeTime;
    for (const secret of secrets) {
      if (secret.retiresAt !== null && now >= secret.retiresAt) continue;
      if (this.#proven.get(secret) !== digest) continue;
      if (this.#newestKeyId !== undefined && secret.keyId !== this.#newestKeyId) {
        this.#onOlderKey?.(clientId, secret.keyId, clientSecret);
      }
      return true;
    }
    const { byId, current } = this.#directory.lookupKeys;
    let isProven = false;
    for (const secret of secrets) {
      const key = byId.get(secret.keyId) ?? current;
      const isSame = sameDigest(clientSecretDigest(key, clientId, clientSecret), secret.digest);
      if (!isSame || record === null || (secret.retiresAt !== null && now >= secret.retiresAt)) continue;
      this.#proven.set(secret, digest);
      if (key !== current) this.#onOlderKey?.(clientId, secret.keyId, clientSecret);
      isProven = true;
    }
    return isProven;
  }

  /** Drops a client whose digest in the store is another, for the same secret: the feed says nothing of it. */
  dropClient(clientId: string): void {
    this.#clients.drop(clientId);
  }

  user(instanceId: string, userId: string): User | null | undefined {
    const user = this.#users.get(pairKey(instanceId, userId));
    if (user !== undefined) return user;
    return isId(instanceId, ID_LENGTH) && isId(userId, ID_LENGTH) ? undefined : null;
  }

  /**
   * Reads the feed to its end and drops every entry that it touched. Overlapping calls share one reading.
   *
   * @throws DirectoryError from the store; the cache keeps its entries, and goes stale after `staleFor`
   */
  async follow(): Promise<void> {
    await this.#follower.follow();
    if (!this.#hasRevocations) await this.#loadRevocations();
  }

  /** True for a position at which an entry may be read and kept: see {@link FeedReader.covers}. */
  covers(position: Position): boolean {
    return this.#follower.covers(position);
  }

  /** Sets the policies of the realms, by which revocations end in memory. */
  setLifetimes(lifetimes: LifetimesByRealm): void {
    this.revocations.setLifetimes(lifetimes);
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
    feed: () => ({ key: "", run: async () => this.#suspension?.end() }),
    instance: ({ secretKey }) => {
      const digest = secretKey.digest();
      const store = (record: InstanceRecord | null): void =>
        record === null ? this.#instances.addUnknown(digest) : this.#instances.add(record, this.#storeTime);
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
      if (this.#follower.covers(position)) {
        this.#noteAhead(position);
        return store(value);
      }
      await this.follow();
    }
    throw new DirectoryError("unavailable", "The entry changed each time that it was read. Try again.");
  }

  /**
   * Notes that an entry was read ahead of the feed. It may come from a history that the feed never gets to: after a failover,
   * the old primary still answers for a moment.
   */
  #noteAhead({ number, mark }: Position): void {
    if (number === this.#follower.position?.number) return;
    const noted = this.#ahead.get(number);
    if (noted === undefined) this.#ahead.set(number, { mark, readAt: steadyClock() });
    else if (noted.mark !== mark) this.#dropEntries();
  }

  /** Drops everything if something was read ahead in another history than the feed's. */
  #checkAhead(event: FeedEvent): void {
    if (this.#ahead.size === 0) return;
    let isOther = false;
    if (event.kind === "changes") {
      for (const { number, mark } of event.changes) {
        const noted = this.#ahead.get(number);
        isOther ||= noted !== undefined && noted.mark !== mark;
        this.#ahead.delete(number);
      }
    } else if (event.kind === "caughtUp") {
      // What this reading, which began later, did not get to is not in this history.
      for (const { readAt } of this.#ahead.values()) isOther ||= readAt < event.steady;
    }
    if (isOther) this.#dropEntries();
  }

  #apply(event: FeedEvent): void {
    this.#checkAhead(event);
    this.#applyNow(event);
    queueMicrotask(() => this.onApplied(event));
  }

  #applyNow(event: FeedEvent): void {
    switch (event.kind) {
      case "changes":
        this.#drop(event.changes);
        break;
      case "restart":
        this.#isRecovering ||= event.isOtherHistory === true;
        this.#dropEntries();
        this.#reloadRevocations();
        break;
      case "caughtUp":
        this.revocations.sweep(event.now);
        if (this.#onOlderKey !== undefined) this.#newestKeyId = this.#directory.lookupKeys.current.id;
        break;
    }
  }

  get #hasRevocations(): boolean {
    return this.#load.state !== "never";
  }

  /** Loads all revocations. The ones in memory answer until then, and changes of the feed go into both. */
  async #loadRevocations(): Promise<void> {
    await this.revocations.load({
      expected: await this.#directory.countRevocations(),
      pages: this.#directory.revocationPages(),
      ...(this.#isRecovering && this.#recent && { kept: this.#recent.list() }),
    });
    this.#load = { state: "loaded" };
  }

  /** Gives up what is to be loaded later. */
  close(): void {
    if (this.#load.state === "reloading") clearTimeout(this.#load.timer);
    this.#isClosed = true;
  }

  /** Loads all revocations again, at a random moment: all replicas find the same reason at once. */
  #reloadRevocations(): void {
    if (this.#load.state === "never") return;
    if (this.#load.state === "reloading") clearTimeout(this.#load.timer);
    const spread = Math.min(MAX_SPREAD, this.revocations.size * SPREAD_PER_REVOCATION);
    const attempt = (wait: number): void => {
      const timer = setTimeout(() => {
        this.#loadRevocations().catch(() => {
          if (!this.#isClosed) attempt(RETRY_AFTER);
        });
      }, wait).unref();
      this.#load = { state: "reloading", timer };
    };
    attempt(this.#random() * spread);
  }

  #dropEntries(): void {
    this.#ahead.clear();
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
      else if (change.kind === "revoked" || change.kind === "unrevoked") {
        this.revocations.apply(change);
        this.#recent?.note(change);
      } else if (change.kind === "reset") this.#dropEntries();
      else if (change.kind === "reset-revocations") this.#reloadRevocations();
    }
    if (clients.size > 0) this.#clients.dropGroups(clients); // their refused secrets too
    if (instances.size > 0) {
      this.#instances.clearUnknown(); // any unknown secret key may belong to a changed instance now
      this.#users.dropGroups(instances); // a removed instance takes its users with it
    }
  }
}

/** True if the cached client is the one that was read. */
function isSameClient(cached: ClientRecord | null | undefined, { secrets }: ClientRecord): boolean {
  return (
    cached?.secrets.length === secrets.length &&
    cached.secrets.every((one, index) => {
      const other = secrets[index];
      return one.keyId === other?.keyId && one.retiresAt === other.retiresAt && sameDigest(one.digest, other.digest);
    })
  );
}

/** The cache key of refused credentials. Client ids contain no control characters, so the key differs from every id. */
function credentialsKey(clientId: string, clientSecret: Secret): string {
  return `\0${clientSecret.digest(clientId)}`;
}
