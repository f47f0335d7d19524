import type { Position } from "./verdict-parts.js";

// What a service tells those who watch its realms: what ends verdicts early.

/** What tokens are selected by; `all` has an empty value. */
export interface WatchSelector {
  readonly kind: "jti" | "digest" | "subject" | "session" | "client" | "instance" | "key" | "all";
  /** A `key` is a `kid` or a thumbprint. */
  readonly value: string;
}

/** Something that changed. It was applied before it is told: verdicts given from now on know it. */
export type WatchEvent =
  /** Tokens were revoked. @param realm undefined: in all realms @param issuedBefore whole seconds since 1970; null: all of them */
  | {
      readonly kind: "revoked";
      readonly realm: string | undefined;
      readonly selectors: readonly WatchSelector[];
      readonly issuedBefore: number | null;
    }
  /** Revocations were taken back. */
  | { readonly kind: "unrevoked"; readonly realm: string | undefined; readonly selectors: readonly WatchSelector[] }
  /** Users or instances of the directory changed. */
  | { readonly kind: "subjects"; readonly selectors: readonly WatchSelector[] }
  /** Callers' credentials may have changed. */
  | { readonly kind: "callers" }
  /** Everything may have changed. */
  | { readonly kind: "reset" }
  /** The feed was read up to a position, after all events up to it. */
  | { readonly kind: "position"; readonly position: Position };

/** What watchers of a realm know besides the changes. */
export interface WatchedRealm {
  /** False if no caller may watch it. */
  readonly isOpen: boolean;
  /** Names the settings, as `Evidence.realmVersion`. */
  readonly version: string;
  /** The realm's keys as `Evidence.trustedKey`; the same object while they are the same. */
  readonly trustedKeys: readonly string[];
  /** Whether verdicts depend on users or instances of the directory. */
  readonly usesDirectory: boolean;
  /** The marks of the keys with this `kid` or thumbprint; undefined if the realm's keys are its instances'. */
  keysNamed(name: string): readonly string[] | undefined;
}

/** Where the changes come from. */
export interface WatchSource {
  /** Calls a listener at each event, in the order of the feed. @returns removes it */
  onChange(listener: (event: WatchEvent) => void): () => void;
  /** The position of the last event; undefined without a directory. */
  position(): Position | undefined;
  /** As `Evidence.feedAge`. */
  feedAge(): number | undefined;
  /** The realm as it is now; undefined if there is none of this name. */
  realm(name: string): WatchedRealm | undefined;
  /** Names of all realms. */
  realms(): readonly string[];
  /** What the keys of digests are made from: the same in all processes on one store. */
  digestRoot(): Buffer;
}
