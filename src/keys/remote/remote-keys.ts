import type { Clock } from "../../util/clock.js";
import { type After, until } from "../../util/timeouts.js";
import { KeyError } from "../key.js";
import type { KeySet } from "../key-set.js";
import type { LeftOut } from "../left-out.js";
import { FetchError } from "./answer.js";
import type { FetchedSet, Memory } from "./documents.js";
import { type LoadSet, NO_CHANGES, PublishedSet, type SetChanges } from "./published-set.js";
import type { RemoteObserver, RemoteStatus } from "./status.js";

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

/** A key set saved for the next start. */
export interface SavedSet {
  /** The document, as JSON. */
  readonly document: string;
  /** When it was last fetched or confirmed: milliseconds since 1970. */
  readonly fetchedAt: number;
}

/** What remote keys need from outside. */
export interface RemoteContext {
  readonly clock: Clock;
  readonly after: After;
  /** A random number from 0 to 1. */
  readonly random: () => number;
  readonly fetch: (last: Memory | undefined) => Promise<FetchedSet>;
  /** Saves a good set for the next start; handles its own errors. */
  readonly save: (saved: SavedSet) => void;
  readonly observer: RemoteObserver;
}

/** Most fetches that one question waits for: the one in progress, and one of its own. */
const MAX_WAITS = 2;

/** Shortest retry interval given to a caller, in milliseconds. */
const MIN_RETRY = 1000;

/**
 * The keys that an issuer publishes. They are fetched in the background: refreshed before they are too old, kept through
 * an outage for a bounded time, and fetched again for an unknown `kid`, at most once a cooldown.
 */
export class RemoteKeys {
  readonly #settings: RemoteSettings;
  readonly #context: RemoteContext;
  readonly #published: PublishedSet;
  /** Start of the last successful fetch. */
  #fetchedAt = Number.NEGATIVE_INFINITY;
  /** Start of the last fetch that a question began. */
  #soughtAt = Number.NEGATIVE_INFINITY;
  /** Time of the next scheduled fetch. */
  #due: number;
  /** Whether a fetch of this run succeeded. */
  #isConfirmed = false;
  /** Consecutive failures. */
  #failures = 0;
  /** Consecutive failures of scheduled fetches. Others do not count, or a flood of questions could slow the schedule down. */
  #scheduledFailures = 0;
  #why = "";
  /** The fetch in progress: its start, and what settles when it ends. */
  #flight: { readonly started: number; readonly done: Promise<void> } | undefined;
  /** Whether the observer knows that no set is usable. */
  #isOut = false;
  #closed = false;
  #cancelFetch: () => void = () => {};
  #cancelExpiry: () => void = () => {};

  /** Starts the first fetch. @param saved the set of an earlier run */
  constructor(settings: RemoteSettings, load: LoadSet, context: RemoteContext, saved: SavedSet | undefined) {
    this.#settings = settings;
    this.#context = context;
    this.#published = new PublishedSet(load);
    this.#due = context.clock();
    if (saved !== undefined) this.#restore(saved);
    this.#watchExpiry();
    this.#begin(false);
  }

  /** The keys usable at a time; undefined if none are. The same object while neither a key nor what is left out changes. */
  current(now: number): KeySet | undefined {
    return now - this.#fetchedAt <= this.#settings.staleIfError ? this.#published.set : undefined;
  }

  /** The keys usable now. */
  get set(): KeySet | undefined {
    return this.current(this.#context.clock());
  }

  /** The last good set, however old. */
  get latest(): KeySet | undefined {
    return this.#published.set;
  }

  /** When the fetch that last confirmed the set started: milliseconds since 1970; -Infinity before the first. */
  get fetchedAt(): number {
    return this.#fetchedAt;
  }

  /** Whether the last fetch failed, or no fetch has confirmed the set of an earlier run yet. */
  get isStale(): boolean {
    return this.#failures > 0 || !this.#isConfirmed;
  }

  /** The keys of the last set that are not used. */
  get leftOut(): readonly LeftOut[] {
    return this.#published.leftOut;
  }

  /** The state of the keys. */
  status(now: number): RemoteStatus {
    const usable = this.current(now) !== undefined;
    return {
      state: usable ? (this.isStale ? "stale" : "fresh") : this.#failures > 0 ? "failing" : "cold",
      why: this.#why,
      age: this.#fetchedAt === Number.NEGATIVE_INFINITY ? undefined : now - this.#fetchedAt,
      next: Math.max(0, this.#due - now),
      left: this.#left(now),
    };
  }

  #left(now: number): number {
    return this.current(now) === undefined ? 0 : this.#fetchedAt + this.#settings.staleIfError - now;
  }

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
  async load(kid: string | undefined, since: number, deadline: number, first = since): Promise<number | undefined> {
    for (let waits = 0; ; waits++) {
      const now = this.#context.clock();
      if (this.answers(kid, since, now, first)) return undefined;
      if (this.#flight === undefined) {
        if (this.#untilAllowed(now) > 0 || waits === MAX_WAITS || this.#closed) return this.#retryAfter(now);
        const isSought = this.current(now) !== undefined || now < this.#due;
        if (isSought) this.#soughtAt = now;
        this.#begin(isSought);
      } else if (waits === MAX_WAITS) return this.#retryAfter(now);
      if (now >= deadline || this.#flight === undefined) return this.#retryAfter(now);
      await until(this.#flight.done, deadline - now, this.#context.after);
    }
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
    if (this.#fetchedAt > now) return false;
    const { cooldown } = this.#settings;
    if (kid === undefined) return this.#fetchedAt >= since - cooldown;
    return this.#fetchedAt >= since || (this.#fetchedAt >= first && now - this.#fetchedAt < cooldown);
  }

  /** Stops fetching. */
  close(): void {
    this.#closed = true;
    this.#cancelFetch();
    this.#cancelExpiry();
  }

  /** Milliseconds until a question may start a fetch: once a cooldown, or whenever a fetch is due if no set is usable. */
  #untilAllowed(now: number): number {
    // A clock that was set back must not lengthen the cooldown.
    const sought = Math.min(this.#soughtAt, now) + this.#settings.cooldown;
    const at = this.current(now) === undefined ? Math.min(sought, this.#due) : sought;
    return Math.max(0, at - now);
  }

  /** Milliseconds until the fetch in progress must have ended, or else until a question may start one. */
  #retryAfter(now: number): number {
    const { timeout } = this.#settings;
    const wait =
      this.#flight === undefined ? this.#untilAllowed(now) : timeout - Math.max(0, now - this.#flight.started);
    return Math.max(wait, MIN_RETRY);
  }

  /** @param isSought whether a question started this fetch, off schedule */
  #begin(isSought: boolean): void {
    if (this.#flight !== undefined || this.#closed) return;
    this.#cancelFetch();
    const started = this.#context.clock();
    const done = this.#fetch(started, isSought).finally(() => {
      this.#flight = undefined;
      this.#schedule();
    });
    this.#flight = { started, done };
  }

  async #fetch(started: number, isSought: boolean): Promise<void> {
    try {
      const fetched = await this.#context.fetch(this.#published.memory);
      if (this.#closed) return;
      if (fetched.kind === "unchanged" && this.#published.set === undefined) {
        throw new FetchError("it answered that the keys did not change, but it never gave any");
      }
      const isNew = fetched.kind === "document";
      const changes = isNew ? this.#published.replace(fetched.value, fetched.memory) : NO_CHANGES;
      this.#succeed(started, fetched.lifetime, changes);
    } catch (error) {
      const isExpected = error instanceof FetchError || error instanceof KeyError;
      this.#fail(isExpected ? error.message : "internal error while fetching", isSought);
    }
  }

  #succeed(started: number, lifetime: number | undefined, changes: SetChanges): void {
    const { refreshMin, refreshMax } = this.#settings;
    const [failures, wasOut] = [this.#failures, this.#isOut];
    this.#failures = 0;
    this.#scheduledFailures = 0;
    this.#why = "";
    this.#isConfirmed = true;
    this.#fetchedAt = started;
    this.#due = started + Math.min(refreshMax, Math.max(refreshMin, (lifetime ?? 0) * 1000));
    this.#context.save({ document: this.#published.document, fetchedAt: started });
    this.#context.observer.fetched(changes, failures, wasOut, this.#published.expired(started));
    this.#isOut = false;
    this.#watchExpiry();
  }

  #fail(why: string, isSought: boolean): void {
    if (this.#closed) return;
    this.#failures++;
    this.#why = why;
    const now = this.#context.clock();
    if (!isSought || this.#scheduledFailures === 0) {
      this.#scheduledFailures++;
      this.#due = now + pauseAfter(this.#scheduledFailures, this.#settings.refreshMax, this.#context.random());
    }
    this.#context.observer.failed(why, this.#failures, this.#left(now));
    if (this.current(now) === undefined) this.#reportOut();
  }

  /** Reports the end of the set's time when it comes, not with the next failure. */
  #watchExpiry(): void {
    this.#cancelExpiry();
    const now = this.#context.clock();
    if (this.#closed || this.current(now) === undefined) return;
    // Checks again when the timer fires, since it may fire early, or the clock may have been set back.
    this.#cancelExpiry = this.#context.after(this.#left(now) + 1, () =>
      this.current(this.#context.clock()) === undefined ? this.#reportOut() : this.#watchExpiry(),
    );
  }

  #reportOut(): void {
    if (this.#isOut || this.#closed) return;
    this.#isOut = true;
    this.#context.observer.out(this.#why || "no fetch has ended since", this.#failures);
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#cancelFetch();
    const wait = Math.max(0, this.#due - this.#context.clock());
    this.#cancelFetch = this.#context.after(wait, () => this.#begin(false));
  }

  #restore({ document, fetchedAt }: SavedSet): void {
    if (!this.#published.restore(document)) return;
    // It must not answer any question of this run, even after the clock was set back.
    const now = this.#context.clock();
    this.#fetchedAt = Math.min(fetchedAt, now - 1);
    // Saved under a clock that was ahead: its time starts once, now, and not again at every start until then.
    if (fetchedAt > now) this.#context.save({ document, fetchedAt: this.#fetchedAt });
  }
}

/** The pause after a first failure, in milliseconds. */
const FIRST_PAUSE = 1000;

/**
 * The pause after consecutive failures, in milliseconds: 1 s, doubled by each further failure up to the longest, then
 * shortened by a random part of up to a half, so that processes that failed together do not retry together.
 *
 * @param failures at least 1
 * @param longest in milliseconds
 * @param random from 0 to 1
 */
export function pauseAfter(failures: number, longest: number, random: number): number {
  const full = Math.min(longest, FIRST_PAUSE * 2 ** Math.min(failures - 1, 30));
  return full * (1 - random / 2);
}
