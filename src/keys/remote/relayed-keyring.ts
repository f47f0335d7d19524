import type { Algorithm } from "../../jws/algorithms.js";
import type { Clock } from "../../util/clock.js";
import { type KeySource, staticSource } from "../key-set.js";
import { loadFetched } from "./documents.js";
import type { KeyringRequest, RealmKeys, RemoteEntry } from "./keyring.js";
import { printableLocation } from "./location.js";
import { networkSource } from "./network-source.js";
import { type AskForKeys, type KeysState, RelayedKeys } from "./relayed-keys.js";
import type { HeldStatus } from "./status.js";

/** The ids of a realm's keys at the process that fetches them, by the realm's name, in the order of its entries. */
export type KeyIds = Readonly<Record<string, readonly number[]>>;

interface Held {
  readonly realm: string;
  readonly location: string;
  readonly keys: RelayedKeys;
}

/** All keys that another process fetches for this one. */
export class RelayedKeyring implements RealmKeys {
  readonly #clock: Clock;
  readonly #ask: AskForKeys;
  readonly #states = new Map<number, KeysState>();
  readonly #held = new Map<number, Held>();
  #ids: KeyIds = {};

  constructor(clock: Clock, ask: AskForKeys) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /** Sets the ids of the keys that the next settings ask for. Their states may have come before. */
  setIds(ids: KeyIds): void {
    this.#ids = ids;
  }

  /** Takes the state of some keys. */
  update(state: KeysState): void {
    this.#states.set(state.id, state);
    this.#held.get(state.id)?.keys.update(state);
  }

  /** The source of a realm's keys. */
  source({ realm, algorithms, configured, leftOut, entries }: KeyringRequest): KeySource {
    if (entries.length === 0) return staticSource(configured, leftOut);
    const ids = this.#ids[realm] ?? [];
    return networkSource(
      configured,
      entries.map((entry, index) => this.#relayed(ids[index] ?? -1, realm, algorithms, entry)),
      leftOut,
    );
  }

  /** Forgets the keys that the settings do not name. */
  keepOnly(): void {
    const kept = new Set(Object.values(this.#ids).flat());
    for (const id of this.#states.keys()) {
      if (kept.has(id)) continue;
      this.#states.delete(id);
      this.#held.delete(id);
    }
  }

  /** The state of all keys. */
  status(): readonly HeldStatus[] {
    const now = this.#clock();
    return [...this.#held.values()].map(({ realm, location, keys }) => ({
      realm,
      location,
      ...keys.status(now),
      keys: keys.current(now)?.keys ?? [],
      leftOut: keys.leftOut,
    }));
  }

  /** Does nothing: nothing is fetched here. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #relayed(id: number, realm: string, algorithms: readonly Algorithm[], entry: RemoteEntry): RelayedKeys {
    const held = this.#held.get(id);
    if (held !== undefined) return held.keys;
    const none = { id, document: "", fetchedAt: Number.NEGATIVE_INFINITY, isStale: true, why: "" };
    const load = (value: unknown) => loadFetched(entry, value, algorithms);
    const keys = new RelayedKeys(entry, load, this.#clock, this.#ask, this.#states.get(id) ?? none);
    this.#states.set(id, this.#states.get(id) ?? none);
    this.#held.set(id, { realm, location: printableLocation(entry.location), keys });
    return keys;
  }
}
