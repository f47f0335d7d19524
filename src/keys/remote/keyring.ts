import { hash } from "node:crypto";
import type { Algorithm } from "../../jws/algorithms.js";
import type { Clock } from "../../util/clock.js";
import { type After, runAfter } from "../../util/timeouts.js";
import type { VerificationKey } from "../key.js";
import { KeySet, type KeySource, staticSource } from "../key-set.js";
import type { LeftOut } from "../left-out.js";
import { fetchKeySet, type Location, loadFetched } from "./documents.js";
import { createFetcher, type Fetcher, type FetchOptions } from "./fetch.js";
import type { Proxies } from "./proxies.js";
import {
  RemoteKeys,
  type RemoteObserver,
  type RemoteSettings,
  type RemoteStatus,
  type SavedSet,
} from "./remote-keys.js";

/** An entry of a realm's `keys` whose keys an issuer publishes. */
export interface RemoteEntry extends RemoteSettings, Pick<FetchOptions, "insecure" | "ca"> {
  readonly location: Location;
  /** Issuers of the realm whose tokens the keys verify; undefined for all. */
  readonly issuers?: readonly string[] | undefined;
}

/** The full URL that an entry's keys are fetched from; the store saves key sets under it. */
export function locationName(location: Location): string {
  return "jwksUri" in location ? location.jwksUri : location.discovery;
}

/** The same URL for logs and answers: without credentials, and without the query, which may hold an access key. */
export function printableLocation(location: Location | string): string {
  const whole = typeof location === "string" ? location : locationName(location);
  return whole.replace(/^(\w+:\/\/)[^/?#]*@/, "$1…@").replace(/\?.+$/s, "?…");
}

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

interface Held {
  readonly realm: string;
  readonly location: string;
  readonly remote: RemoteKeys;
  readonly fetcher: Fetcher;
}

/** The state of a realm's keys from one location. */
export interface HeldStatus extends RemoteStatus {
  readonly realm: string;
  /** As {@link printableLocation} gives it. */
  readonly location: string;
  readonly keys: readonly VerificationKey[];
  /** The keys of the set that are not used. */
  readonly leftOut: readonly LeftOut[];
}

/** Whether the keys of a location can verify tokens at the moment. */
export const isUsable = ({ state }: Pick<RemoteStatus, "state">): boolean => state === "fresh" || state === "stale";

/** All keys that this process fetches. After a reload a realm gets the keys it already has for an unchanged entry. */
export class Keyring {
  readonly #context: KeyringContext;
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
    const { clock, proxies, saved, observe, after = runAfter, random = Math.random } = this.#context;
    const name = locationName(entry.location);
    const location = printableLocation(name);
    const trust = trustOf(entry);
    const last = saved.get(realm, name);
    const fetcher = createFetcher({ ...entry, proxies, after });
    const remote = new RemoteKeys(
      entry,
      (value) => loadFetched(value, algorithms, entry),
      {
        clock,
        after,
        random,
        fetch: (memory) => fetcher.within((get) => fetchKeySet(entry.location, get, memory)),
        save: (set) => saved.set(realm, name, { ...set, trust }),
        observer: observe(realm, location),
      },
      last?.trust === trust ? last : undefined,
    );
    return { realm, location, remote, fetcher };
  }
}

function close({ remote, fetcher }: Held): Promise<void> {
  remote.close();
  return fetcher.close();
}

/** A digest of what makes fetched keys trustworthy: the location, whether it may be plain http, and the certificates trusted. */
const trustOf = ({ location, insecure, ca }: RemoteEntry): string =>
  hash("sha256", JSON.stringify([location, insecure, ca ?? null]), "base64url");

/** Identifies keys by all of their settings, so that changed settings start over. */
const nameOf = (realm: string, algorithms: readonly Algorithm[], entry: RemoteEntry): string =>
  JSON.stringify([realm, algorithms, entry]);

/**
 * A source of configured keys and those that issuers publish, tried in this order. While one issuer's keys are unavailable
 * the others still verify, but a token that none of them fits gets no verdict.
 *
 * @param remotes at least one
 * @param leftOut keys of the configuration's sets that are not used
 */
export function networkSource(
  configured: readonly VerificationKey[],
  remotes: readonly RemoteKeys[],
  leftOut: readonly LeftOut[] = [],
): KeySource {
  const fixed = configured.length === 0 && leftOut.length === 0 ? [] : [new KeySet(configured, leftOut)];
  let parts: readonly KeySet[] = [];
  let union: KeySet | undefined;

  /** Joins several sets; builds a new one only if one of them changed. */
  function unite(sets: readonly KeySet[]): KeySet | undefined {
    if (sets.length < 2) return sets[0];
    if (sets.length !== parts.length || sets.some((set, index) => set !== parts[index])) {
      parts = sets;
      union = new KeySet(
        sets.flatMap(({ keys }) => keys),
        sets.flatMap((set) => set.leftOut),
      );
    }
    return union;
  }

  const isKnown = (kid: string): boolean =>
    [...fixed, ...remotes.flatMap(({ set }) => set ?? [])].some((set) => set.hasKid(kid));

  const [first] = remotes;
  const only = fixed.length === 0 && remotes.length === 1 ? first : undefined;
  return {
    current: (now) =>
      only === undefined ? unite([...fixed, ...remotes.flatMap((one) => one.current(now) ?? [])]) : only.current(now),
    answers: (kid, since, now) =>
      // A known `kid` needs no further fetch, but a set that is unavailable may have a key of the same `kid`.
      kid !== undefined && isKnown(kid)
        ? remotes.every((one) => one.current(now) !== undefined)
        : remotes.every((one) => one.answers(kid, since, now)),
    load: (kid, since, deadline) =>
      new Promise((resolve) => {
        const before = remotes.map(({ set }) => set);
        const hasNews = ({ set }: RemoteKeys, index: number): boolean =>
          set !== undefined && set !== before[index] && (kid === undefined || set.hasKid(kid));
        const waits = remotes.map(async (one, index) => {
          const wait = await one.load(kid, since, deadline);
          // Its new keys may suffice, so do not wait for the others.
          if (hasNews(one, index)) resolve(undefined);
          return wait;
        });
        void Promise.all(waits).then((all) => {
          const refused = all.filter((wait) => wait !== undefined);
          resolve(refused.length === 0 ? undefined : Math.max(...refused));
        });
      }),
    age: (now) => {
      const oldest = Math.min(...remotes.map(({ fetchedAt }) => fetchedAt));
      return oldest === Number.NEGATIVE_INFINITY ? undefined : Math.max(0, now - oldest);
    },
    isStale: () => remotes.some(({ isStale }) => isStale),
  };
}
