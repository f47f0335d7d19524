import type { DirectoryCacheStats } from "../directory/directory-cache.js";
import type { KeyErrorCause } from "../keys/key.js";
import type { LeftOut } from "../keys/left-out.js";
import type { HeldStatus, RemoteStatus } from "../keys/remote/status.js";
import type { WatchStats } from "../net/port.js";
import { truncate } from "../util/printable.js";
import type { FactCache } from "../verifier/facts.js";

// What metrics, probes and `/keys` read of a running service. The server implements it.

/** Figures of a running core, read at each scrape. */
export interface CoreStats {
  /** Estimated size of the fact cache, in bytes. */
  readonly factBytes: number;
  /** Lookups in the fact cache since the start. */
  readonly factLookups: FactCache["lookups"];
  /** Whether the service gives verdicts: false once the directory has been unreadable for longer than `store.staleFor`. */
  readonly isFresh: boolean;
  /** State of the directory cache; undefined without a store. */
  readonly directory: DirectoryCacheStats | undefined;
  /** State of the store; undefined without one. */
  readonly store?: StoreStats | undefined;
  /** Key sets that are fetched, one for each realm and location. */
  readonly keys: readonly HeldStatus[];
  /** How far each realm's issuer's clock is ahead, in seconds, by the realm's name. */
  readonly skew: Readonly<Record<string, number>>;
  /** DPoP proofs that each realm remembers against a second use, by the realm's name. */
  readonly proofs: Readonly<Record<string, number>>;
}

/** Figures of a store that is followed. */
export interface StoreStats {
  /** Memory of the revocations. */
  readonly revocationBytes: number;
  /** The most revocations that the store takes. */
  readonly revocationsMax: number;
  /** Revocations that this process gave back to it. */
  readonly revocationsRestored: number;
  /** Milliseconds by which this machine's clock is ahead of the store's. */
  readonly clockOffset: number;
  /** Commits that the store announced. */
  readonly notifications: number;
}

/** A key that a realm trusts now. */
export interface KeyInUse {
  readonly kid: string | null;
  readonly algorithm: string;
  /** RFC 7638 thumbprint of a public key; the length of a secret. */
  readonly label: string;
  /** Tokens that it verified within the last hour. */
  readonly verificationsLastHour: number;
}

/** A key that a realm's issuer publishes, or a set of the configuration holds, and that is not used. */
export interface UnusedKey {
  /** Its position in the set, from 0. */
  readonly index: number;
  /** At most 64 characters. */
  readonly kid: string | null;
  readonly cause: KeyErrorCause;
  /** What is wrong and how to put it right. */
  readonly why: string;
}

/** A left-out key as probes and `/keys` show it. */
export const unusedKey = ({ index, kid, cause, why }: LeftOut): UnusedKey => ({
  index,
  kid: kid === undefined ? null : truncate(kid, 64),
  cause,
  why,
});

/** Keys by realm; the body of `/keys`. */
export interface KeysInUse {
  /** The keys in use. */
  readonly realms: Readonly<Record<string, readonly KeyInUse[]>>;
  /** The keys that are not used, for realms that have some. */
  readonly unused: Readonly<Record<string, readonly UnusedKey[]>>;
}

/** State of a realm's keys: `fresh`, `stale` (used beyond their time), `cold` (none yet) or `failing` (none usable). */
export type RealmState = RemoteStatus["state"];

/** State of the directory: `stale` gives verdicts from memory while the store cannot be read; `failing` gives none. */
export type DirectoryState = Extract<RealmState, "fresh" | "stale" | "failing">;

/** State of realms and directory; with `ready` before it, the body of `/readyz`. */
export interface ServiceState {
  /** State of each realm, by name. */
  readonly realms: Readonly<Record<string, RealmState>>;
  /** Cause for each realm that is not fresh, by name; absent if all are fresh. */
  readonly why?: Readonly<Record<string, string>>;
  /** State of the directory, with the cause if it is not fresh; absent without a store. */
  readonly directory?: { readonly state: DirectoryState; readonly why?: string };
  /** State of each key set that is fetched; absent if there is none. */
  readonly keys?: readonly object[];
  /** State of each service that a gateway on its own asks; absent in a service. */
  readonly upstreams?: readonly { readonly address: string; readonly state: string; readonly why?: string }[];
  /** State of each realm that routes by issuer, with its targets; absent if there is none. */
  readonly routes?: readonly object[];
}

/** A running core, as metrics and probes read it. */
export interface Observed {
  readonly stats: () => CoreStats;
  readonly serviceState: () => ServiceState;
  readonly keysInUse: () => KeysInUse;
}

/** A service that a gateway asks, as metrics and probes read it. */
export interface ObservedUpstream {
  readonly address: string;
  /** `serving` if it gives verdicts. */
  readonly state: string;
  /** Cause of another state; else empty. */
  readonly why: string;
  /** Calls that it answered. */
  readonly answered: number;
  /** Calls that were lost or found no connection. */
  readonly lost: number;
}

/** The services that a gateway asks. */
export interface ObservedUpstreams {
  status(): readonly ObservedUpstream[];
  /** Calls that were made a second time. */
  readonly repeated: number;
}

/** A port of the service, as metrics read it. */
export interface PortStatus {
  /** Name in the configuration. */
  readonly name: string;
  /** Open connections. */
  connections(): number;
  /** Open streams: calls that last until the client or the server ends them. */
  streams(): number;
  /** What watches have done since the start; undefined without watches. */
  watches?(): WatchStats | undefined;
}

/** Called at the end of each reload. @param taken whether the new configuration is in use @param restart whether part of it needs a restart */
export type ReloadObserver = (taken: boolean, restart: boolean) => void;

/** Called after each fetch of a realm's keys. */
export type FetchObserver = (realm: string, result: "ok" | "failed") => void;
