import type { Clock } from "../../util/clock.js";
import type { KeySet } from "../key-set.js";
import type { LeftOut } from "../left-out.js";
import { type LoadSet, PublishedSet } from "./published-set.js";
import type { RemoteStatus } from "./status.js";

/** When keys are fetched and for how long they are used; all in milliseconds. */
export interface RemoteSettings {
  /** Shortest time between two scheduled fetches that succeed. */
  readonly refreshMin: number;
  /** Longest time between two scheduled fetches, and longest pause after a failure. */
  readonly refreshMax: number;
  /** How long the last good set is used after its last successful fetch while no other can be fetched. */
  readonly staleIfError: number;
  /** Shortest time between two fetches for unknown `kid`s. */
  readonly cooldown: number;
  /** Longest duration of a fetch. */
  readonly timeout: number;
}

/** The last good key set of an issuer, whether this process fetches it or another one does. */
export abstract class HeldKeys {
  protected readonly settings: RemoteSettings;
  protected readonly clock: Clock;
  protected readonly published: PublishedSet;
  /** Start of the last successful fetch. */
  protected confirmedAt = Number.NEGATIVE_INFINITY;

  constructor(settings: RemoteSettings, load: LoadSet, clock: Clock) {
    this.settings = settings;
    this.clock = clock;
    this.published = new PublishedSet(load);
  }

  /** Whether the last fetch failed, or no fetch has confirmed the set of an earlier run yet. */
  abstract get isStale(): boolean;

  /** The state of the keys. */
  abstract status(now: number): RemoteStatus;

  /**
   * Waits for a fetch that may help a token that no known key fits: any fetch if no set is usable, otherwise one that
   * starts after the question. All who wait share it. Never rejects.
   *
   * @param kid the `kid` sought; undefined for any key
   * @param since when the question came; a set fetched after that answers it, whatever it contains
   * @param deadline when to stop waiting
   * @param first as for {@link answers}
   * @returns undefined if {@link answers} is true now; otherwise milliseconds until it is worth asking again, at least 1000
   */
  abstract load(kid: string | undefined, since: number, deadline: number, first?: number): Promise<number | undefined>;

  /** The keys usable at a time; undefined if none are. The same object while neither a key nor what is left out changes. */
  current(now: number): KeySet | undefined {
    return now - this.confirmedAt <= this.settings.staleIfError ? this.published.set : undefined;
  }

  /** The keys usable now. */
  get set(): KeySet | undefined {
    return this.current(this.clock());
  }

  /** The last good set, however old. */
  get latest(): KeySet | undefined {
    return this.published.set;
  }

  /** When the fetch that last confirmed the set started: milliseconds since 1970; -Infinity before the first. */
  get fetchedAt(): number {
    return this.confirmedAt;
  }

  /** The keys of the last set that are not used. */
  get leftOut(): readonly LeftOut[] {
    return this.published.leftOut;
  }

  /** Milliseconds until the set may no longer be used if no fetch succeeds; 0 if none is usable. */
  protected left(now: number): number {
    return this.current(now) === undefined ? 0 : this.confirmedAt + this.settings.staleIfError - now;
  }

  /**
   * Whether the known set answers a question: it contains the `kid`, was fetched after the question came, or was fetched
   * after the first question for the `kid`, within the last cooldown. A token without a `kid` asks for any key; for it, a
   * set no older than the cooldown counts as fetched after the question.
   *
   * @param first when the `kid` was first asked for, if that is known
   */
  answers(kid: string | undefined, since: number, now: number, first = since): boolean {
    const set = this.current(now);
    if (set === undefined) return false;
    if (kid !== undefined && set.hasKid(kid)) return true;
    // The clock was set back, so the order of fetch and question is unknown.
    if (this.confirmedAt > now) return false;
    const { cooldown } = this.settings;
    if (kid === undefined) return this.confirmedAt >= since - cooldown;
    return this.confirmedAt >= since || (this.confirmedAt >= first && now - this.confirmedAt < cooldown);
  }
}
