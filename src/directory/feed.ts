import type { Position } from "./position.js";
import type { Revocation, Selector } from "./revocation.js";

/** What one committed change touched. A feed row of a kind that this version does not know is read as a `reset`. */
export type Touched =
  | { readonly kind: "instance"; readonly instanceId: string }
  | { readonly kind: "user"; readonly instanceId: string; readonly userId: string }
  | { readonly kind: "client"; readonly clientId: string }
  /** At most 1,000 revocations. */
  | { readonly kind: "revoked"; readonly revocations: readonly Revocation[] }
  | { readonly kind: "unrevoked"; readonly selectors: readonly Selector[] }
  /** Any number of instances, users and clients; no revocation. */
  | { readonly kind: "reset" }
  /** Any number of revocations. */
  | { readonly kind: "reset-revocations" };

/** A row of the change feed: the change that raised the position to `number`. */
export type Change = Touched & Position;

/** A feed row as every engine stores it. */
export interface FeedRow {
  readonly kind: string;
  /** A JSON object. */
  readonly touched: string;
}

/** Encodes what a change touched as a feed row. */
export function encodeChange({ kind, ...touched }: Touched): FeedRow {
  return { kind, touched: JSON.stringify(touched) };
}

const KINDS: ReadonlySet<string> = new Set<Touched["kind"]>([
  "instance",
  "user",
  "client",
  "revoked",
  "unrevoked",
  "reset",
  "reset-revocations",
]);

/**
 * Decodes a feed row. A kind that a later version wrote is read as a reset: readers then drop every entry, whatever the
 * change touched. A change that an earlier version must honour raises the store's `min_reader` instead.
 */
export function decodeChange({ number, mark }: Position, { kind, touched }: FeedRow): Change {
  return KINDS.has(kind) ? ({ ...JSON.parse(touched), kind, number, mark } as Change) : { kind: "reset", number, mark };
}
