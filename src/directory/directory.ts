import type { Secret } from "../util/secret.js";
import type { Command } from "./commands.js";
import type { Change, Position, Positioned } from "./feed.js";
import type {
  Client,
  ClientRecord,
  Instance,
  InstanceRecord,
  KeySetName,
  Revocation,
  SavedKeySet,
  SavedKeySets,
  User,
} from "./model.js";
import type { ImportLine, ImportOptions, ImportReport, StoredEntry } from "./transfer/import.js";

/**
 * What the process knows of the directory without waiting. Each look-up answers with an entry, with null (known not to
 * exist) or with undefined (not known: load the entry, then ask again).
 */
export interface KnownDirectory {
  /** The feed position up to which these answers are current; opaque text for `Evidence.feed_position`. */
  readonly position: string;
  /** False once the feed has not been read for longer than `staleFor`: no answer may be used then. @param now milliseconds since 1970 */
  isFresh(now: number): boolean;
  /** The instance that owns this secret key. */
  instance(secretKey: Secret): Instance | null | undefined;
  /** The client with these credentials; null for an unknown id and for a wrong secret alike, at the same cost. */
  client(clientId: string, clientSecret: Secret): Client | null | undefined;
  /** A user of an instance. */
  user(instanceId: string, userId: string): User | null | undefined;
  /**
   * Whether a token was revoked, by its `jti` in this scope or by the digest of its header and payload.
   *
   * @param scope see {@link RevokedToken}
   * @param narrower a second scope in which to look for the `jti`
   */
  isRevoked(scope: string, jti: string | undefined, digest: () => string, narrower?: string): boolean;
}

/** The directory of a service without a store: it has no entries and no revocations. */
export const noDirectory: KnownDirectory = {
  position: "",
  isFresh: () => true,
  instance: () => null,
  client: () => null,
  user: () => null,
  isRevoked: () => false,
};

/** An entry that a decision needs and that is not in memory. */
export type DirectoryLack =
  | { readonly kind: "instance"; readonly secretKey: Secret }
  | { readonly kind: "client"; readonly clientId: string; readonly clientSecret: Secret }
  | { readonly kind: "user"; readonly instanceId: string; readonly userId: string };

/**
 * The store of instances, users, clients and revocations: the only interface to it, the same for every engine.
 *
 * All methods reject with a {@link DirectoryError}, and with nothing else.
 */
export interface Directory {
  /** The instance that owns this secret key, under whichever master key the store holds it. */
  instance(secretKey: Secret): Promise<Positioned<InstanceRecord | null>>;
  /** The client with this id. */
  client(clientId: string): Promise<Positioned<ClientRecord | null>>;
  /** A user of an instance. */
  user(instanceId: string, userId: string): Promise<Positioned<User | null>>;
  /**
   * All revocations, possibly with some that have ended. A long list is read in pages, so that the process can do other
   * work in between; revocations made after `position` may be in the list and in the feed after it.
   */
  revocations(): Promise<Positioned<readonly Revocation[]>>;
  /**
   * The changes after a position, oldest first; empty if there are none. `restart` if the feed cannot say what changed:
   * the epoch differs, or the position is older than the retained feed or ahead of its head. Everything read before must
   * be dropped then.
   *
   * @param limit the most changes to return, at least 1
   */
  changes(after: Position, limit: number): Promise<readonly Change[] | "restart">;
  /** The head of the feed. */
  position(): Promise<Position>;
  /** True if nothing was ever written, so that a seed cannot bring back entries that were removed. */
  isEmpty(): Promise<boolean>;
  /**
   * Carries out all of the commands or none, in one transaction. Each command adds one change, one feed row and one audit
   * row.
   *
   * @param actor who is responsible, for the audit: 1 to 255 characters
   * @returns the position after the last command
   */
  apply(commands: readonly Command[], actor: string): Promise<Position>;
  /**
   * Imports any number of entries, all or none, in any order; each replaces the stored entry of its id completely. Entries
   * are staged outside the store and merged in one short transaction, which writes one `reset` row to the feed and one row
   * to the audit; an import that changes nothing writes neither. Memory does not grow with the number of entries. An error
   * thrown by `lines` is passed on.
   *
   * @param actor who is responsible, for the audit: 1 to 255 characters
   * @throws DirectoryError `invalid` for malformed lines, `conflict` for lines that contradict the store or each other;
   * both name the lines
   */
  import(lines: AsyncIterable<ImportLine>, options: ImportOptions, actor: string): Promise<ImportReport>;
  /** All instances, users and clients of one snapshot, in an order that an import accepts. */
  export(): AsyncIterable<StoredEntry>;
  /** The saved key sets of issuers, each as it was last fetched. */
  keySets(): Promise<SavedKeySets>;
  /** Saves a key set over the one with the same realm and location. Key sets have no part in the feed. */
  saveKeySet(set: SavedKeySet): Promise<void>;
  /** Reseals under the current master key every key set that is sealed under an earlier one, which may then be removed. */
  resealKeySets(): Promise<void>;
  /**
   * Removes the key sets last fetched before a time, in milliseconds since 1970, except the named ones. A set that does
   * not open stays: another process may have the master key for it.
   */
  removeKeySets(before: number, except: readonly KeySetName[]): Promise<void>;
  /** Releases the store. Further calls reject as unavailable. */
  close(): Promise<void>;
}

/** The reads that keep a copy of the directory in memory current. */
export type DirectoryReads = Pick<Directory, "instance" | "client" | "user" | "revocations" | "changes">;
