import type { Clock } from "../../util/clock.js";
import { HeldKeys, type RemoteSettings } from "./held-keys.js";
import type { LoadSet } from "./published-set.js";
import type { RemoteStatus } from "./status.js";

/** The state of keys that another process fetches, as it is sent to this one. */
export interface KeysState {
  /** Names the keys, for as long as their settings stay the same. */
  readonly id: number;
  /** The document of the last good set, as JSON; empty before the first. */
  readonly document: string;
  /** When the fetch that last confirmed it started: milliseconds since 1970; -Infinity before the first. */
  readonly fetchedAt: number;
  /** As in {@link HeldKeys.isStale}. */
  readonly isStale: boolean;
  /** Why the last fetch failed; empty if it succeeded. */
  readonly why: string;
}

/** The shortest time after which a caller is told to ask again, in milliseconds. */
const SHORTEST = 1000;

/** Asks the process that fetches; the same as {@link HeldKeys.load} of the keys with an id there. */
export type AskForKeys = (
  id: number,
  kid: string | undefined,
  since: number,
  deadline: number,
  first: number,
) => Promise<number | undefined>;

/** Keys that another process fetches. This one loads their documents, so that it has key objects of its own. */
export class RelayedKeys extends HeldKeys {
  readonly id: number;
  readonly #ask: AskForKeys;
  #state: KeysState;
  /** Until when this process answers itself that it is too early to ask again: a flood of unknown `kid`s costs one question. */
  #refusedUntil = 0;

  constructor(settings: RemoteSettings, load: LoadSet, clock: Clock, ask: AskForKeys, state: KeysState) {
    super(settings, load, clock);
    this.id = state.id;
    this.#ask = ask;
    this.#state = state;
    this.update(state);
  }

  /** Takes a state. Key objects that did not change stay the same. */
  update(state: KeysState): void {
    this.#state = state;
    this.#refusedUntil = 0;
    if (state.document === "") return;
    if (state.document !== this.published.document && !this.published.restore(state.document)) return;
    this.confirmedAt = state.fetchedAt;
  }

  override get isStale(): boolean {
    return this.#state.isStale;
  }

  override status(now: number): RemoteStatus {
    const { why, isStale } = this.#state;
    const usable = this.current(now) !== undefined;
    return {
      state: usable ? (isStale ? "stale" : "fresh") : why === "" ? "cold" : "failing",
      why,
      age: this.confirmedAt === Number.NEGATIVE_INFINITY ? undefined : now - this.confirmedAt,
      next: 0,
      left: this.left(now),
    };
  }

  override async load(
    kid: string | undefined,
    since: number,
    deadline: number,
    first = since,
  ): Promise<number | undefined> {
    const now = this.clock();
    if (this.answers(kid, since, now, first)) return undefined;
    if (now < this.#refusedUntil) return SHORTEST;
    const wait = await this.#ask(this.id, kid, since, deadline, first);
    // After the deadline the answer only says that a fetch is still under way.
    const after = this.clock();
    if (wait !== undefined && after < deadline) this.#refusedUntil = after + Math.min(wait, SHORTEST);
    return wait;
  }
}
