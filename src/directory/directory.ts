import type { Secret } from "../util/secret.js";
import type { Command } from "./commands.js";
import type { Change } from "./feed.js";
import type {
  Client,
  ClientRecord,
  Instance,
  InstanceRecord,
  KeySetName,
  SavedKeySet,
  SavedKeySets,
  User,
} from "./model.js";
import type { OperatorStore } from "./operator-store.js";
import type { Position, Positioned } from "./position.js";
import type { PackedRevocations } from "./revocation-page.js";
import { noRevocations, type RevocationCounts, type RevocationLookup } from "./revocation-set.js";
import type { LookupKeys } from "./store-keys.js";
import type { ExportOptions, ImportLine, ImportOptions, ImportReport, StoredEntry } from "./transfer/import.js";

/**
 * What the process knows of the directory without waiting. Each look-up answers with an entry, with null (known not to
 * exist) or with undefined (not known: load the entry, then ask again).
 */
export interface KnownDirectory {
  /** The feed position up to which these answers are current: the same object until it changes; undefined without a directory. */
  readonly position: Position | undefined;
  /**
   * Milliseconds since the reading began in which the feed was last read to its end; undefined without a directory.
   *
   * @param now milliseconds since 1970
   */
  feedAge(now: number): number | undefined;
  /**
   * False once the feed has not been read for longer than `staleFor`: no answer may be used then.
   *
   * @param now milliseconds since 1970
   * @param staleFor a realm's own limit in milliseconds; no longer one than the store's counts
   */
  isFresh(now: number, staleFor?: number): boolean;
  /**
   * True if the process was just suspended for more than a second: what was revoked meanwhile is not known before the feed
   * was read, so load `feed` first.
   *
   * @param now milliseconds since 1970
   */
  wasSuspended(now: number): boolean;
  /** The instance that owns this secret key. */
  instance(secretKey: Secret): Instance | null | undefined;
  /** The client with these credentials; null for an unknown id and for a wrong secret alike, at the same cost. */
  client(clientId: string, clientSecret: Secret): Client | null | undefined;
  /** A user of an instance. */
  user(instanceId: string, userId: string): User | null | undefined;
  /** All revocations. */
  readonly revocations: RevocationLookup;
}

/** The directory of a service without a store: it has no entries and no revocations. */
export const noDirectory: KnownDirectory = {
  position: undefined,
  feedAge: () => undefined,
  isFresh: () => true,
  wasSuspended: () => false,
  instance: () => null,
  client: () => null,
  user: () => null,
  revocations: noRevocations,
};

/** What a decision needs and is not in memory: an entry, or a reading of the feed that ended after a suspension. */
export type DirectoryLack =
  | { readonly kind: "feed" }
  | { readonly kind: "instance"; readonly secretKey: Secret }
  | { readonly kind: "client"; readonly clientId: string; readonly clientSecret: Secret }
  | { readonly kind: "user"; readonly instanceId: string; readonly userId: string };

/** One reading of the feed. */
export interface Poll {
  readonly head: Position;
  /**
   * The changes after the position, oldest first. `restart` if the feed cannot tell what changed since: the position belongs
   * to another history, or is no longer retained. Everything read before must be dropped then.
   */
  readonly changes: readonly Change[] | "restart";
  /** True with a `restart` if the position belongs to another history: the store went back in time, and lost changes. */
  readonly isOtherHistory?: boolean;
}

/** Reads of single entries, each with the feed's position in the same snapshot. */
export interface EntryReads {
  /** The instance that owns this secret key, under whichever look-up key the store holds it. */
  instance(secretKey: Secret): Promise<Positioned<InstanceRecord | null>>;
  /** The client with this id. */
  client(clientId: string): Promise<Positioned<ClientRecord | null>>;
  /** A user of an instance. */
  user(instanceId: string, userId: string): Promise<Positioned<User | null>>;
}

/** The reads that a follower of the feed needs. */
export interface FeedReads {
  /**
   * Reads the feed after a position, in one snapshot.
   *
   * @param after undefined asks for the head alone, with `restart`
   * @param limit the most changes to return, at least 1
   * @throws DirectoryError `unusable` for a store that was moved, or that holds what only later versions honour
   */
  poll(after: Position | undefined, limit: number): Promise<Poll>;
  /**
   * All revocations in pages, possibly with some that have ended. Those made or removed after the head that was polled before
   * the first page may be in it or not: the feed after that head has them.
   */
  revocationPages(): AsyncIterable<PackedRevocations>;
  /** How many revocations the store has, to size memory by. */
  countRevocations(): Promise<RevocationCounts>;
}

/** The reads that keep a copy of the directory in memory current. */
export interface DirectoryReads extends EntryReads, FeedReads {
  /** The keys by which callers' secrets are checked; another object once they have changed. */
  readonly lookupKeys: LookupKeys;
  /** Milliseconds by which this machine's clock is ahead of the store's. */
  readonly clockOffset: number;
}

/**
 * The store of instances, users, clients and revocations: the only interface to it, the same for every engine.
 *
 * All methods reject with a {@link DirectoryError}, and with nothing else.
 */
export interface Directory extends DirectoryReads {
  /** Identifies the store's content, random, made with it. */
  readonly id: string;
  /** Where the store is, for operators: a file, or `HOST:PORT/DATABASE`. */
  readonly place: string;
  /** How the feed is to be polled: milliseconds between two polls, and whether commits are notified besides. */
  readonly polling: { readonly interval: number; readonly notified: boolean | undefined };
  /** Calls a listener when another process has notified a commit. */
  onNotification(listener: () => void): void;
  /** True if nothing was ever written, so that a seed cannot bring back entries that were removed. */
  isEmpty(): Promise<boolean>;
  /**
   * Carries out all of the commands or none, in one transaction. Each command adds one change, one feed row and one audit
   * row.
   *
   * @param commands at most 1,000
   * @param actor who is responsible, for the audit: 1 to 255 characters
   * @returns the position after the last command
   */
  apply(commands: readonly Command[], actor: string): Promise<Position>;
  /**
   * Imports any number of entries, all or none, in any order; each replaces the stored entry of its id completely. Entries
   * are staged apart and merged in one short transaction, which writes one `reset` row to the feed and one row to the audit;
   * an import that changes nothing writes neither. Memory does not grow with the number of entries. An error thrown by
   * `lines` is passed on.
   *
   * @param actor who is responsible, for the audit: 1 to 255 characters
   * @throws DirectoryError `invalid` for malformed lines, `conflict` for lines that contradict the store or each other;
   * both name the lines
   */
  import(lines: AsyncIterable<ImportLine>, options: ImportOptions, actor: string): Promise<ImportReport>;
  /** All instances, users and clients after the head of the export, with their secrets but those that are gone. */
  export(options?: ExportOptions): AsyncIterable<StoredEntry>;
  /** The saved key sets of issuers, each as it was last fetched. */
  keySets(): Promise<SavedKeySets>;
  /** Saves a key set over the one with the same realm and location, unless that one is newer. They have no part in the feed. */
  saveKeySet(set: SavedKeySet): Promise<void>;
  /**
   * Removes the key sets last fetched before a time, in milliseconds since 1970, except the named ones. A set that does not
   * open stays for 30 days more: another process may have the key for it.
   */
  removeKeySets(before: number, except: readonly KeySetName[]): Promise<void>;
  /** The store as operators see it. */
  readonly operators: OperatorStore;
  /** Removes what is no longer needed: old feed rows, ended revocations, answers to old requests. For once a minute. */
  maintain(): Promise<void>;
  /** Releases the store. Further calls reject as unavailable. */
  close(): Promise<void>;
}
