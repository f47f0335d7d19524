import { hash, randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../util/clock.js";
import type { Secret } from "../util/secret.js";
import { clientSecretDigest, sameDigest } from "./digest.js";
import type {
  Change,
  Client,
  ClientRecord,
  DirectoryLack,
  Instance,
  InstanceRecord,
  KnownDirectory,
  Position,
  Read,
  User,
} from "./directory.js";
import { type Bounds, Entries, pairKey } from "./entry-cache.js";
import { DirectoryError } from "./errors.js";
import { KnownInstances } from "./instance-cache.js";
import type { MasterKeys } from "./master-keys.js";
import type { DirectoryReads } from "./observe-reads.js";
import { RevokedTokens } from "./revocation-list.js";
import { Loads } from "./single-flight.js";
import { ID_LENGTH, isId, SECRET_LENGTH } from "./texts.js";

/** Feed rows read at a time. */
const PAGE = 1_000;

/** How often something is read again that turned out to be older than what the feed told since. */
const ROUNDS = 4;

/** What a {@link Known} directory needs. */
export interface KnownOptions {
  readonly directory: DirectoryReads;
  readonly masterKeys: MasterKeys;
  readonly clock: Clock;
  /** Milliseconds without a successful {@link Known.follow} after which nothing known may be used. Default 60,000. */
  readonly staleFor?: number;
  /** How many entries of each kind to hold in memory. Revocations are held whole. */
  readonly bounds?: { readonly instances?: Bounds; readonly clients?: Bounds; readonly users?: Bounds };
  /** How many loads may be under way at once; more are refused as unavailable. Default 10,000. */
  readonly maxLoads?: number;
}

/** What a {@link Known} directory holds. */
export interface KnownStats {
  /** Entries in memory, by kind. */
  readonly entries: Readonly<Record<"instance" | "client" | "user" | "revocation", number>>;
  /** The number of the last change of the feed that was applied. */
  readonly feedPosition: number;
  /** When the feed was last read to its end: milliseconds since 1970; -Infinity for never. */
  readonly followedAt: number;
}

type LackOf<Kind extends DirectoryLack["kind"]> = Extract<DirectoryLack, { kind: Kind }>;

/** How a lack is made good. */
interface Remedy {
  /** Tells the lack from others of its kind. */
  readonly name: string;
  readonly load: () => Promise<void>;
}

/** Whether what is known of a client is what was read of it. */
function isSameClient(known: ClientRecord | null | undefined, { keyId, secretDigest }: ClientRecord): boolean {
  return known?.keyId === keyId && sameDigest(known.secretDigest, secretDigest);
}

/** What a pair of an id and a secret is remembered by: no id of a client has a control character in it. */
function guessOf(clientId: string, clientSecret: Secret): string {
  return `\0${hash("sha256", JSON.stringify([clientId, clientSecret.reveal()]), "base64url")}`;
}

/**
 * The directory in memory: what was asked for is loaded and kept until the feed says that it changed.
 *
 * It knows nothing, and is not fresh, before the first {@link follow}.
 */
export class Known implements KnownDirectory {
  readonly #directory: DirectoryReads;
  readonly #masterKeys: MasterKeys;
  readonly #clock: Clock;
  readonly #staleFor: number;
  readonly #instances: KnownInstances;
  readonly #clients: Entries<ClientRecord>;
  readonly #users: Entries<User>;
  #revoked = new RevokedTokens();
  readonly #loads: Loads;
  // Compared with where there is no client: no secret has this digest.
  readonly #noDigest = randomBytes(32);
  #applied: Position | undefined;
  #position = "";
  #followedAt = Number.NEGATIVE_INFINITY;
  #following: Promise<void> | undefined;

  constructor({ directory, masterKeys, clock, staleFor = 60_000, bounds = {}, maxLoads = 10_000 }: KnownOptions) {
    this.#directory = directory;
    this.#masterKeys = masterKeys;
    this.#clock = clock;
    this.#staleFor = staleFor;
    this.#instances = new KnownInstances(masterKeys.current, bounds.instances ?? { known: 10_000, unknown: 10_000 });
    this.#clients = new Entries(bounds.clients ?? { known: 10_000, unknown: 10_000 });
    this.#users = new Entries(bounds.users ?? { known: 50_000, unknown: 10_000 });
    this.#loads = new Loads(clock, maxLoads);
  }

  get position(): string {
    return this.#position;
  }

  isFresh(now: number): boolean {
    // A clock that was set back by more than staleFor tells nothing either.
    return Math.abs(now - this.#followedAt) <= this.#staleFor;
  }

  /** What is known, for whoever watches over it. */
  stats(): KnownStats {
    return {
      entries: {
        instance: this.#instances.size,
        client: this.#clients.size,
        user: this.#users.size,
        revocation: this.#revoked.size,
      },
      feedPosition: this.#applied?.number ?? 0,
      followedAt: this.#followedAt,
    };
  }

  instance(secretKey: Secret): Instance | null | undefined {
    if (secretKey.length > SECRET_LENGTH) return null;
    const instance = this.#instances.get(this.#instances.digest(secretKey));
    if (instance !== undefined) return instance;
    return isId(secretKey.reveal(), SECRET_LENGTH) ? undefined : null;
  }

  client(clientId: string, clientSecret: Secret): Client | null | undefined {
    if (clientSecret.length > SECRET_LENGTH) return null;
    const record = this.#clients.get(clientId) ?? null;
    if (this.#isSecretOf(record, clientId, clientSecret)) return record;
    if (!isId(clientId, ID_LENGTH)) return null;
    // What is refused is remembered by the pair, not by the id: a guess at a client that is in memory is looked up just
    // like one at a client that there is not, so that the time it takes does not tell them apart.
    return this.#clients.get(guessOf(clientId, clientSecret)) === null ? null : undefined;
  }

  /** Nobody is compared just like somebody: what it costs must not tell whether a client exists. */
  #isSecretOf(record: ClientRecord | null, clientId: string, clientSecret: Secret): boolean {
    const key = this.#masterKeys.byId.get(record?.keyId ?? "") ?? this.#masterKeys.current;
    const digest = clientSecretDigest(key, clientId, clientSecret);
    return sameDigest(digest, record?.secretDigest ?? this.#noDigest);
  }

  user(instanceId: string, userId: string): User | null | undefined {
    const user = this.#users.get(pairKey(instanceId, userId));
    if (user !== undefined) return user;
    return isId(instanceId, ID_LENGTH) && isId(userId, ID_LENGTH) ? undefined : null;
  }

  isRevoked(realm: string, jti: string | undefined, digest: () => string): boolean {
    return this.#revoked.has(realm, jti, digest);
  }

  /**
   * Loads what a decision lacks, so that asking again gives an answer. Whoever waits for the same thing shares one load.
   *
   * @param deadline milliseconds since 1970; Infinity for never
   * @throws DirectoryError `unavailable` or `unusable`
   */
  learn(lack: DirectoryLack, deadline: number): Promise<void> {
    const { name, load } = (this.#remedies[lack.kind] as (lack: DirectoryLack) => Remedy)(lack);
    return this.#loads.run(`${lack.kind} ${name}`, deadline, load);
  }

  /**
   * Reads the feed from where it was left and drops what was touched since. Calls that overlap share one reading.
   *
   * @throws DirectoryError; what is known stays as it was, and goes stale in time
   */
  follow(): Promise<void> {
    this.#following ??= this.#follow().finally(() => {
      this.#following = undefined;
    });
    return this.#following;
  }

  readonly #remedies: { readonly [Kind in DirectoryLack["kind"]]: (lack: LackOf<Kind>) => Remedy } = {
    instance: ({ secretKey }) => {
      const digest = this.#instances.digest(secretKey);
      const remember = (record: InstanceRecord | null): void =>
        record === null ? this.#instances.addUnknown(digest) : this.#instances.add(record);
      return { name: digest, load: () => this.#load(() => this.#directory.instance(secretKey), remember) };
    },
    client: ({ clientId, clientSecret }) => {
      const guess = guessOf(clientId, clientSecret);
      const remember = (record: ClientRecord | null): void => {
        if (record === null) this.#clients.drop(clientId);
        else if (!isSameClient(this.#clients.get(clientId), record)) this.#clients.set(clientId, record, clientId);
        if (!this.#isSecretOf(record, clientId, clientSecret)) this.#clients.set(guess, null, clientId);
      };
      return { name: guess, load: () => this.#load(() => this.#directory.client(clientId), remember) };
    },
    user: ({ instanceId, userId }) => {
      const name = pairKey(instanceId, userId);
      const remember = (user: User | null): void => this.#users.set(name, user, instanceId);
      return { name, load: () => this.#load(() => this.#directory.user(instanceId, userId), remember) };
    },
  };

  async #load<Value>(read: () => Promise<Read<Value>>, remember: (value: Value) => void): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const { value, position } = await read();
      // Read at a position not behind what was applied, every later change of it is still to come by the feed. Read
      // before, the change that drops it may have passed already: it would stay for ever.
      if (this.#covers(position)) return remember(value);
      await this.follow();
    }
    throw new DirectoryError("unavailable", "What the directory gave was overtaken by its own changes. Try again.");
  }

  #covers({ epoch, number }: Position): boolean {
    return this.#applied !== undefined && epoch === this.#applied.epoch && number >= this.#applied.number;
  }

  async #follow(): Promise<void> {
    const startedAt = this.#clock();
    for (let more = true; more; ) {
      const page = this.#applied === undefined ? "restart" : await this.#directory.changes(this.#applied, PAGE);
      if (page === "restart") await this.#restart();
      else await this.#apply(page);
      more = page !== "restart" && page.length === PAGE;
      // However far behind, the calls of the moment are answered in between.
      if (more) await turn();
    }
    this.#revoked.sweep(startedAt);
    this.#followedAt = startedAt;
  }

  async #restart(): Promise<void> {
    const { value, position } = await this.#directory.revocations();
    const revoked = await RevokedTokens.of(value);
    this.#dropAll();
    this.#revoked = revoked;
    this.#reach(position);
  }

  async #apply(changes: readonly Change[]): Promise<void> {
    const last = changes.at(-1);
    if (last === undefined || this.#applied === undefined) return;
    const { epoch } = this.#applied;
    if (changes.some(({ kind }) => kind === "reset")) {
      // Read after the reset. Should the history have become another in between, the next look at the feed says so.
      const { value } = await this.#directory.revocations();
      const revoked = await RevokedTokens.of(value);
      this.#dropAll();
      this.#revoked = revoked;
    }
    const instances = new Set<string>();
    for (const change of changes) this.#drop(change, instances);
    const clients = new Set(changes.flatMap((change) => (change.kind === "client" ? [change.clientId] : [])));
    if (clients.size > 0) this.#clients.dropGroups(clients); // the guesses at their secrets too
    if (instances.size > 0) {
      this.#instances.clearUnknown(); // whom a digest belongs to is known only of instances that are known
      this.#users.dropGroups(instances); // a removed instance takes its users with it
    }
    this.#reach({ epoch, number: last.number });
  }

  #drop(change: Change, instances: Set<string>): void {
    switch (change.kind) {
      case "instance":
        this.#instances.drop(change.instanceId);
        instances.add(change.instanceId);
        break;
      case "user":
        this.#users.drop(pairKey(change.instanceId, change.userId));
        break;
      case "revocation":
        this.#revoked.add(change.revocation);
        break;
      case "client":
      case "reset":
        break;
    }
  }

  #dropAll(): void {
    this.#instances.clear();
    this.#clients.clear();
    this.#users.clear();
  }

  #reach(position: Position): void {
    this.#applied = position;
    this.#position = `${position.epoch}.${position.number}`;
  }
}
