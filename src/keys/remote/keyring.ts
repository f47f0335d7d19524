import { createHmac } from "node:crypto";
import type { Algorithm } from "../../jws/algorithms.js";
import type { Clock } from "../../util/clock.js";
import { type After, runAfter } from "../../util/timeouts.js";
import type { VerificationKey } from "../key.js";
import { type KeySource, staticSource } from "../key-set.js";
import type { LeftOut } from "../left-out.js";
import { type FetchedKind, fetchKeySet, loadFetched } from "./documents.js";
import { createFetcher, type Fetcher, type FetchOptions } from "./fetch.js";
import type { RemoteSettings } from "./held-keys.js";
import { locationName, printableLocation } from "./location.js";
import { networkSource } from "./network-source.js";
import type { Proxies } from "./proxies.js";
import type { AskForKeys, KeysState } from "./relayed-keys.js";
import { RemoteKeys, type SavedSet } from "./remote-keys.js";
import type { HeldStatus, RemoteObserver } from "./status.js";

/** An entry of a realm's `keys` whose keys an issuer publishes. */
export interface RemoteEntry
  extends RemoteSettings,
    FetchedKind,
    Pick<FetchOptions, "insecure" | "private" | "ca" | "credentials"> {}

/** A saved set, and what it was trusted for. */
export interface VouchedSet extends SavedSet {
  /** A digest of the entry's trust settings when the set was fetched. The set is ignored once they differ. */
  readonly trust: string;
}

/** Stores key sets across restarts. */
export interface SavedSets {
  /** The set last saved for a realm and a location. */
  get(realm: string, location: string): VouchedSet | undefined;
  set(realm: string, location: string, saved: VouchedSet): void;
}

/** What a keyring needs from outside. */
export interface KeyringContext {
  readonly clock: Clock;
  readonly proxies: Proxies;
  readonly saved: SavedSets;
  /** Makes the observer of a realm's keys from one location. */
  readonly observe: (realm: string, location: string) => RemoteObserver;
  /** Called with the state of a realm's keys after each fetch. */
  readonly onState?: (state: KeysState) => void;
  /** Default {@link runAfter}. */
  readonly after?: After;
  /** Default Math.random. */
  readonly random?: () => number;
}

/** The keys that a realm asks for. */
export interface KeyringRequest {
  readonly realm: string;
  readonly algorithms: readonly Algorithm[];
  /** Keys from the configuration. */
  readonly configured: readonly VerificationKey[];
  /** Keys of the configuration's sets that are not used. */
  readonly leftOut: readonly LeftOut[];
  /** Keys that issuers publish. */
  readonly entries: readonly RemoteEntry[];
}

/** The keys of realms, whichever process fetches them. */
export interface RealmKeys {
  /** The source of a realm's keys. */
  source(request: KeyringRequest): KeySource;
  /** Forgets the keys that none of these requests contains. */
  keepOnly(requests: readonly KeyringRequest[]): void;
  /** The state of all fetched keys, in the order in which they were first asked for. */
  status(): readonly HeldStatus[];
  /** Stops all fetching. */
  close(): Promise<void>;
}

interface Held {
  readonly id: number;
  readonly realm: string;
  readonly location: string;
  readonly remote: RemoteKeys;
  readonly fetcher: Fetcher;
}

/** All keys that this process fetches. After a reload a realm gets the keys it already has for an unchanged entry. */
export class Keyring implements RealmKeys {
  readonly #context: KeyringContext;
  #lastId = 0;
  #held = new Map<string, Held>();

  constructor(context: KeyringContext) {
    this.#context = context;
  }

  /** The source of a realm's keys; fetching starts at once. */
  source({ realm, algorithms, configured, leftOut, entries }: KeyringRequest): KeySource {
    if (entries.length === 0) return staticSource(configured, leftOut);
    return networkSource(
      configured,
      entries.map((entry) => this.#remote(realm, algorithms, entry)),
      leftOut,
    );
  }

  /** Stops fetching keys that none of these requests contains. */
  keepOnly(requests: readonly KeyringRequest[]): void {
    const kept = new Set(
      requests.flatMap(({ realm, algorithms, entries }) => entries.map((entry) => nameOf(realm, algorithms, entry))),
    );
    for (const [name, held] of this.#held) {
      if (kept.has(name)) continue;
      this.#held.delete(name);
      void close(held);
    }
  }

  /** The state of all fetched keys, in the order in which they were first asked for. */
  status(): readonly HeldStatus[] {
    const now = this.#context.clock();
    return [...this.#held.values()].map(({ realm, location, remote }) => ({
      realm,
      location,
      ...remote.status(now),
      keys: remote.current(now)?.keys ?? [],
      leftOut: remote.leftOut,
    }));
  }

  /** The id of each of a realm's entries, for {@link state} and {@link load}; 0 for one that is not held. */
  ids({ realm, algorithms, entries }: KeyringRequest): readonly number[] {
    return entries.map((entry) => this.#held.get(nameOf(realm, algorithms, entry))?.id ?? 0);
  }

  /** The states of all fetched keys. */
  states(): readonly KeysState[] {
    const now = this.#context.clock();
    return [...this.#held.values()].map(({ id, remote }) => stateOf(id, remote, now));
  }

  /** Loads the keys with an id as their own {@link RemoteKeys.load} does; those that are gone have no answer. */
  readonly load: AskForKeys = async (id, kid, since, deadline, first) => {
    const held = [...this.#held.values()].find((one) => one.id === id);
    return held === undefined ? GONE : held.remote.load(kid, since, deadline, first);
  };

  /** Stops all fetching. */
  async close(): Promise<void> {
    const held = [...this.#held.values()];
    this.#held = new Map();
    await Promise.all(held.map(close));
  }

  #remote(realm: string, algorithms: readonly Algorithm[], entry: RemoteEntry): RemoteKeys {
    const name = nameOf(realm, algorithms, entry);
    const held = this.#held.get(name) ?? this.#open(realm, algorithms, entry);
    this.#held.set(name, held);
    return held.remote;
  }

  #open(realm: string, algorithms: readonly Algorithm[], entry: RemoteEntry): Held {
    const { clock, proxies, saved, observe, onState, after = runAfter, random = Math.random } = this.#context;
    const name = locationName(entry.location);
    const location = printableLocation(entry.location);
    const trust = trustOf(entry);
    const last = saved.get(realm, name);
    const fetcher = createFetcher({ ...entry, proxies, after });
    const id = ++this.#lastId;
    const remote: RemoteKeys = new RemoteKeys(
      entry,
      (value) => loadFetched(entry, value, algorithms),
      {
        clock,
        after,
        random,
        fetch: (memory) => fetcher.within((get) => fetchKeySet(entry.location, get, memory)),
        save: (set) => saved.set(realm, name, { ...set, trust }),
        observer: observe(realm, location),
        onEnd: () => onState?.(stateOf(id, remote, clock())),
      },
      last?.trust === trust ? last : undefined,
    );
    return { id, realm, location, remote, fetcher };
  }
}

/** Milliseconds until keys are asked for again that a reload took away meanwhile. */
const GONE = 1000;

const stateOf = (id: number, remote: RemoteKeys, now: number): KeysState => ({
  id,
  document: remote.document,
  fetchedAt: remote.fetchedAt,
  isStale: remote.isStale,
  why: remote.status(now).why,
});

function close({ remote, fetcher }: Held): Promise<void> {
  remote.close();
  return fetcher.close();
}

/**
 * A digest of what makes fetched keys trustworthy: the location, the uses of the keys taken, what the location may be besides
 * public https, the certificates trusted, and the header fields, which may choose the keys (a tenant's, say). The values of
 * these are only the key of the digest, and the store seals the digest. A token in a file may change at any time, so it does
 * not count.
 */
function trustOf(entry: RemoteEntry): string {
  const { location, uses, insecure, private: isPrivate = false, ca, credentials } = entry;
  const headers = Object.entries(credentials?.headers ?? {}).map(([name, value]) => [name, value.reveal()]);
  return createHmac("sha256", JSON.stringify(headers))
    .update(JSON.stringify([location, uses ?? null, insecure, isPrivate, ca ?? null]))
    .digest("base64url");
}

/** Identifies keys by all of their settings, so that changed settings start over. Values of headers are fingerprints in it. */
const nameOf = (realm: string, algorithms: readonly Algorithm[], entry: RemoteEntry): string =>
  JSON.stringify([realm, algorithms, entry]);
