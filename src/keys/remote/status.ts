import type { VerificationKey } from "../key.js";
import type { LeftOut } from "../left-out.js";
import type { SetChanges } from "./published-set.js";

// The state of fetched keys, for logs, metrics and probes.

/** Receives what happens to remote keys. */
export interface RemoteObserver {
  /**
   * Called after a successful fetch.
   *
   * @param changes the differences from the set before; empty if there are none
   * @param failures number of consecutive failures before it
   * @param wasOut whether {@link RemoteObserver.out} was called since the last successful fetch
   * @param expired names of the set's keys whose certificates have expired
   */
  fetched(changes: SetChanges, failures: number, wasOut: boolean, expired?: readonly string[]): void;
  /** Called after a failed fetch. @param failures consecutive failures including this one @param left as in {@link RemoteStatus} */
  failed(why: string, failures: number, left: number): void;
  /** Called once when no set is usable any longer, or the first fetch fails; again only after a successful fetch. */
  out(why: string, failures: number): void;
}

/** The state of an issuer's keys. */
export interface RemoteStatus {
  /**
   * `fresh`: confirmed by the last fetch. `stale`: usable, but the last fetch failed, or the set was saved by an earlier
   * run and not confirmed yet. `failing`: no usable set, and fetches fail. `cold`: no set yet.
   */
  readonly state: "fresh" | "stale" | "failing" | "cold";
  /** Why the last fetch failed; empty if it succeeded. */
  readonly why: string;
  /** Milliseconds since the last successful fetch; undefined before the first. */
  readonly age: number | undefined;
  /** Milliseconds until the next scheduled fetch. */
  readonly next: number;
  /** Milliseconds until the set may no longer be used if no fetch succeeds; 0 if none is usable. */
  readonly left: number;
}

/** The state of a realm's keys from one location. */
export interface HeldStatus extends RemoteStatus {
  readonly realm: string;
  /** As printableLocation gives it. */
  readonly location: string;
  readonly keys: readonly VerificationKey[];
  /** The keys of the set that are not used. */
  readonly leftOut: readonly LeftOut[];
}

/** Whether the keys of a location can verify tokens at the moment. */
export const isUsable = ({ state }: Pick<RemoteStatus, "state">): boolean => state === "fresh" || state === "stale";
