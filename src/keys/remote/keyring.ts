import { hash } from "node:crypto";
import type { Algorithm } from "../../jws/algorithms.js";
import type { Clock } from "../../util/clock.js";
import { type After, runAfter } from "../../util/timeouts.js";
import type { VerificationKey } from "../key.js";
import { type KeySource, staticSource } from "../source.js";
import { fetchKeySet, type Location } from "./documents.js";
import { createFetcher, type Fetcher, type FetchOptions } from "./fetch.js";
import {
  RemoteKeys,
  type RemoteObserver,
  type RemoteSettings,
  type RemoteStatus,
  type SavedSet,
} from "./remote-keys.js";
import { networkSource } from "./source.js";
import type { Proxies } from "./ways.js";

/** An entry of a realm's `keys` that stands for what an issuer publishes. */
export interface RemoteEntry extends RemoteSettings, Pick<FetchOptions, "insecure" | "ca"> {
  readonly location: Location;
}

/** Where an entry's keys are fetched from, whole, as the store names it. */
export function locationName(location: Location): string {
  return "jwksUri" in location ? location.jwksUri : location.discovery;
}

/** The same as logs and answers tell it: without credentials, and without a query, in which some issuers want an access key. */
export function toldLocation(location: Location | string): string {
  const whole = typeof location === "string" ? location : locationName(location);
  return whole.replace(/^(\w+:\/\/)[^/?#]*@/, "$1…@").replace(/\?.+$/s, "?…");
}

/** A saved set, and what vouched for it. */
export interface VouchedSet extends SavedSet {
  /** A digest of what the entry trusted when it was fetched; where the entry trusts otherwise now, the set counts no more. */
  readonly trust: string;
}

/** Keeps sets over a restart. */
export interface SavedSets {
  /** The set that was saved last for a realm and a location. */
  get(realm: string, location: string): VouchedSet | undefined;
  set(realm: string, location: string, saved: VouchedSet): void;
}

/** What a keyring needs of the world. */
export interface KeyringContext {
  readonly clock: Clock;
  readonly proxies: Proxies;
  readonly saved: SavedSets;
  /** Who is told of a realm's keys from a location. */
  readonly observe: (realm: string, location: string) => RemoteObserver;
  /** Default: the process's timers, which keep no process alive. */
  readonly after?: After;
  /** Default Math.random. */
  readonly random?: () => number;
}

/** What a realm's keys are to be. */
export interface KeyringRequest {
  readonly realm: string;
  readonly algorithms: readonly Algorithm[];
  /** Those of the configuration. */
  readonly configured: readonly VerificationKey[];
  /** Those that issuers publish. */
  readonly entries: readonly RemoteEntry[];
}

interface Held {
  readonly realm: string;
  readonly location: string;
  readonly remote: RemoteKeys;
  readonly fetcher: Fetcher;
}

/** How a realm's keys from one location stand. */
export interface HeldStatus extends RemoteStatus {
  readonly realm: string;
  readonly location: string;
  readonly keys: readonly VerificationKey[];
  /** How many keys of the set are refused. */
  readonly refused: number;
}

/** Whether keys of a location count at the moment. */
export const isUsable = ({ state }: Pick<RemoteStatus, "state">): boolean => state === "fresh" || state === "stale";

/** All keys that this process fetches. What a realm asks for again after a reload is what it had. */
export class Keyring {
  readonly #context: KeyringContext;
  #held = new Map<string, Held>();

  constructor(context: KeyringContext) {
    this.#context = context;
  }

  /** The source of a realm's keys; it begins to fetch at once. */
  source({ realm, algorithms, configured, entries }: KeyringRequest): KeySource {
    if (entries.length === 0) return staticSource(configured);
    return networkSource(
      configured,
      entries.map((entry) => this.#remote(realm, algorithms, entry)),
    );
  }

  /** Ends the fetching of what these realms do not ask for. */
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

  /** How everything that is fetched stands. */
  status(): readonly HeldStatus[] {
    const now = this.#context.clock();
    return [...this.#held.values()].map(({ realm, location, remote }) => ({
      realm,
      location,
      ...remote.status(now),
      keys: remote.current(now)?.keys ?? [],
      refused: remote.leftOut.filter(({ refused }) => refused).length,
    }));
  }

  /** Ends all fetching. */
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
    const location = locationName(entry.location);
    const trust = trustOf(entry);
    const last = saved.get(realm, location);
    const fetcher = createFetcher({ ...entry, proxies, after });
    const remote = new RemoteKeys(
      entry,
      algorithms,
      {
        clock,
        after,
        random,
        fetch: (last) => fetcher.within((get) => fetchKeySet(entry.location, get, last)),
        save: (set) => saved.set(realm, location, { ...set, trust }),
        observer: observe(realm, toldLocation(location)),
      },
      last?.trust === trust ? last : undefined,
    );
    return { realm, location: toldLocation(location), remote, fetcher };
  }
}

function close({ remote, fetcher }: Held): Promise<void> {
  remote.close();
  return fetcher.close();
}

/** By what a fetched set is believed: who may say where it is, whether its way may be in the clear, and whose certificates count. */
const trustOf = ({ location, insecure, ca }: RemoteEntry): string =>
  hash("sha256", JSON.stringify([location, insecure, ca ?? null]), "base64url");

/** What tells one from another: nothing that has changed may go on as it was. */
const nameOf = (realm: string, algorithms: readonly Algorithm[], entry: RemoteEntry): string =>
  JSON.stringify([realm, algorithms, entry]);
