import type { VerificationKey } from "../keys/key.js";
import type { VouchedSet } from "../keys/remote/keyring.js";
import type { Secret } from "../util/secret.js";
import type { Command } from "./commands.js";
import type { Revocation, User } from "./model.js";
import type { BulkLine, ImportOptions, ImportReport, StoredEntry } from "./transfer/import.js";

export type { Revocation, RevokedToken, User } from "./model.js";

/**
 * A position in the directory's change feed: how many changes had been committed. Gapless, and in the order of the
 * commits. `epoch` tells one history from another: it changes when the store is restored or replaced.
 */
export interface Position {
  readonly epoch: string;
  readonly number: number;
}

/** An instance as verification needs it. */
export interface Instance {
  readonly id: string;
  readonly appId: string;
  /** Its active secret keys, as keys that verify its tokens; at least one. The same objects as long as nothing about them changed. */
  readonly keys: readonly VerificationKey[];
}

/** A client as verification needs it: its secret stays in the directory as a keyed digest. */
export interface Client {
  readonly clientId: string;
}

/**
 * What the directory has in memory, for a decision that must not wait. Each look-up answers with an entry, with null
 * (known not to exist) or with undefined (not known: load it with the {@link Directory} and ask again).
 */
export interface KnownDirectory {
  /** Up to where the feed was followed when these answers were given; opaque text for `Evidence.feed_position`. */
  readonly position: string;
  /** False where the feed has not been followed for longer than `staleFor`: nothing known may be used then. @param now milliseconds since 1970 */
  isFresh(now: number): boolean;
  /** The instance that owns this secret key. */
  instance(secretKey: Secret): Instance | null | undefined;
  /** The client of these credentials; null for an unknown id and for a wrong secret alike, at the same cost. */
  client(clientId: string, clientSecret: Secret): Client | null | undefined;
  /** A user of an instance. */
  user(instanceId: string, userId: string): User | null | undefined;
  /** Whether a token was revoked, by its `jti` in this realm or by the digest of its header and payload. */
  isRevoked(realm: string, jti: string | undefined, digest: () => string): boolean;
}

/** What a decision lacks of the directory. */
export type DirectoryLack =
  | { readonly kind: "instance"; readonly secretKey: Secret }
  | { readonly kind: "client"; readonly clientId: string; readonly clientSecret: Secret }
  | { readonly kind: "user"; readonly instanceId: string; readonly userId: string };

/** An instance as the store holds it, its secret keys opened. */
export interface InstanceRecord {
  readonly id: string;
  readonly appId: string;
  /** Its active secret keys, in the order in which they were given; at least one. */
  readonly secretKeys: readonly Secret[];
}

/** A client as the store holds it. */
export interface ClientRecord extends Client {
  /** The master key whose look-up key made the digest. */
  readonly keyId: string;
  /** The keyed digest of its secret, 32 bytes. */
  readonly secretDigest: Uint8Array;
}

/** Something read from the store, and where the feed stood in the very same snapshot. */
export interface Read<Value> {
  readonly value: Value;
  readonly position: Position;
}

/** What one committed change touched. A feed row of a kind that this version does not know is read as a `reset`. */
export type Touched =
  | { readonly kind: "instance"; readonly instanceId: string }
  | { readonly kind: "user"; readonly instanceId: string; readonly userId: string }
  | { readonly kind: "client"; readonly clientId: string }
  | { readonly kind: "revocation"; readonly revocation: Revocation }
  | { readonly kind: "reset" };

/** A row of the change feed: the change that made `number` the position. */
export type Change = Touched & { readonly number: number };

/** A key set that an issuer published, kept for the next start. */
export interface SavedKeySet extends VouchedSet {
  readonly realm: string;
  /** The URL that it was fetched from, or the issuer that said where. */
  readonly location: string;
}

/** What a saved key set is known by. */
export type KeySetName = Pick<SavedKeySet, "realm" | "location">;

/** All key sets that were saved. */
export interface SavedKeySets {
  readonly sets: readonly SavedKeySet[];
  /** Those that open under none of the master keys at hand, or were altered. */
  readonly unopened: readonly KeySetName[];
}

/**
 * The store of instances, users, clients and revocations: the one interface of every engine.
 *
 * All methods reject with a {@link DirectoryError}, and with nothing else.
 */
export interface Directory {
  /** The instance that owns this secret key, whichever master key it was stored under. */
  instance(secretKey: Secret): Promise<Read<InstanceRecord | null>>;
  /** The client of this id. */
  client(clientId: string): Promise<Read<ClientRecord | null>>;
  /** A user of an instance. */
  user(instanceId: string, userId: string): Promise<Read<User | null>>;
  /**
   * All revocations, those that no longer hold possibly among them. However many there are, the process is not kept from
   * its other work. Those made after `position` may be there already; the feed after it tells them again.
   */
  revocations(): Promise<Read<readonly Revocation[]>>;
  /**
   * The feed after a position, oldest first; empty where nothing has happened since. `restart` where the feed cannot
   * tell what has: the epoch is another, the position lies behind what is retained, or ahead of the feed's head.
   * Whoever holds anything read before must drop it all then.
   * @param limit the most rows to give, at least 1
   */
  changes(after: Position, limit: number): Promise<readonly Change[] | "restart">;
  /** Where the feed stands. */
  position(): Promise<Position>;
  /** True where nothing was ever written: what was removed again counts, so that a seed cannot bring it back. */
  isEmpty(): Promise<boolean>;
  /**
   * Carries out commands, all of them or none, in one transaction: each is its change, a feed row and an audit row.
   * @param actor who is responsible, for the audit: 1 to 255 characters
   * @returns the position after the last of them
   */
  apply(commands: readonly Command[], actor: string): Promise<Position>;
  /**
   * Takes in any number of entries, all of them or none: each replaces the one of its id whole, in whatever order they
   * come. They are staged outside the store as they arrive, and merged in one transaction that is as short as can be,
   * with one `reset` row in the feed and one row in the audit; an import that changes nothing leaves no trace.
   * Memory does not grow with their number. What `lines` throws is passed on.
   * @param actor who is responsible, for the audit: 1 to 255 characters
   * @throws DirectoryError `invalid` for lines with problems, `conflict` for what contradicts the store or itself; both
   * name lines
   */
  import(lines: AsyncIterable<BulkLine>, options: ImportOptions, actor: string): Promise<ImportReport>;
  /** All instances, users and clients of one snapshot; an import takes them in this order or any other. */
  export(): AsyncIterable<StoredEntry>;
  /** The key sets that were saved: those of issuers, as they were fetched last. */
  keySets(): Promise<SavedKeySets>;
  /** Saves a key set in the place of the one of its realm and location. No change of the directory: it has no part in the feed. */
  saveKeySet(set: SavedKeySet): Promise<void>;
  /** Seals those that were sealed under an earlier master key anew, under the current one, so that they outlive the earlier. */
  resealKeySets(): Promise<void>;
  /**
   * Removes the key sets that were fetched last before a time, in milliseconds since 1970, except these. One that does not
   * open stays: another process may have the master key that it is sealed under.
   */
  removeKeySets(before: number, except: readonly KeySetName[]): Promise<void>;
  /** Releases the store. Further calls reject as unavailable. */
  close(): Promise<void>;
}
