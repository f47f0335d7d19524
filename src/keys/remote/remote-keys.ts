import type { Clock } from "../../util/clock.js";
import { type After, until } from "../../util/timeouts.js";
import { KeyError } from "../key.js";
import { FetchError } from "./answer.js";
import type { FetchedSet, Memory } from "./documents.js";
import { HeldKeys, type RemoteSettings } from "./held-keys.js";
import { type LoadSet, NO_CHANGES, type SetChanges } from "./published-set.js";
import type { RemoteObserver, RemoteStatus } from "./status.js";

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
  /** Called after each fetch, once its outcome is in use. */
  readonly onEnd?: () => void;
}

/** Most fetches that one question waits for: the one in progress, and one of its own. */
const MAX_WAITS = 2;

/** Shortest retry interval given to a caller, in milliseconds. */
const MIN_RETRY = 1000;

/**
 * The keys that an issuer publishes. They are fetched in the background: refreshed before they are too old, kept through
 * an outage for a bounded time, and fetched again for an unknown `kid`, at most once a cooldown.
 */
export class RemoteKeys extends HeldKeys {
  readonly #context: RemoteContext;
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
    super(settings, load, context.clock);
    this.#context = context;
    this.#due = context.clock();
    if (saved !== undefined) this.#restore(saved);
    this.#watchExpiry();
    this.#begin(false);
  }

  /** Whether the last fetch failed, or no fetch has confirmed the set of an earlier run yet. */
  override get isStale(): boolean {
    return this.#failures > 0 || !this.#isConfirmed;
  }

  /** The state of the keys. */
  override status(now: number): RemoteStatus {
    const usable = this.current(now) !== undefined;
    return {
      state: usable ? (this.isStale ? "stale" : "fresh") : this.#failures > 0 ? "failing" : "cold",
      why: this.#why,
      age: this.confirmedAt === Number.NEGATIVE_INFINITY ? undefined : now - this.confirmedAt,
      next: Math.max(0, this.#due - now),
      left: this.left(now),
    };
  }

  /** The document of the last good set, as JSON; empty before the first. */
  get document(): string {
    return this.published.document;
  }

  override async load(
    kid: string | undefined,
    since: number,
    deadline: number,
    first = since,
  ): Promise<number | undefined> {
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

  /** Stops fetching. */
  close(): void {
    this.#closed = true;
    this.#cancelFetch();
    this.#cancelExpiry();
  }

  /** Milliseconds until a question may start a fetch: once a cooldown, or whenever a fetch is due if no set is usable. */
  #untilAllowed(now: number): number {
    // A clock that was set back must not lengthen the cooldown.
    const sought = Math.min(this.#soughtAt, now) + this.settings.cooldown;
    const at = this.current(now) === undefined ? Math.min(sought, this.#due) : sought;
    return Math.max(0, at - now);
  }

  /** Milliseconds until the fetch in progress must have ended, or else until a question may start one. */
  #retryAfter(now: number): number {
    const { timeout } = this.settings;
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
      const fetched = await this.#context.fetch(this.published.memory);
      if (this.#closed) return;
      if (fetched.kind === "unchanged" && this.published.set === undefined) {
        throw new FetchError("it answered that the keys did not change, but it never gave any");
      }
      const isNew = fetched.kind === "document";
      const changes = isNew ? this.published.replace(fetched.value, fetched.memory) : NO_CHANGES;
      this.#succeed(started, fetched.lifetime, changes);
    } catch (error) {
      const isExpected = error instanceof FetchError || error instanceof KeyError;
      this.#fail(isExpected ? error.message : "internal error while fetching", isSought);
    }
    this.#context.onEnd?.();
  }

  #succeed(started: number, lifetime: number | undefined, changes: SetChanges): void {
    const { refreshMin, refreshMax } = this.settings;
    const [failures, wasOut] = [this.#failures, this.#isOut];
    this.#failures = 0;
    this.#scheduledFailures = 0;
    this.#why = "";
    this.#isConfirmed = true;
    this.confirmedAt = started;
    this.#due = started + Math.min(refreshMax, Math.max(refreshMin, (lifetime ?? 0) * 1000));
    this.#context.save({ document: this.published.document, fetchedAt: started });
    this.#context.observer.fetched(changes, failures, wasOut, this.published.expired(started));
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
      this.#due = now + pauseAfter(this.#scheduledFailures, this.settings.refreshMax, this.#context.random());
    }
    this.#context.observer.failed(why, this.#failures, this.left(now));
    if (this.current(now) === undefined) this.#reportOut();
  }

  /** Reports the end of the set's time when it comes, not with the next failure. */
  #watchExpiry(): void {
    this.#cancelExpiry();
    const now = this.#context.clock();
    if (this.#closed || this.current(now) === undefined) return;
    // Checks again when the timer fires, since it may fire early, or the clock may have been set back.
    this.#cancelExpiry = this.#context.after(this.left(now) + 1, () =>
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
    if (!this.published.restore(document)) return;
    // It must not answer any question of this run, even after the clock was set back.
    const now = this.#context.clock();
    this.confirmedAt = Math.min(fetchedAt, now - 1);
    // Saved under a clock that was ahead: its time starts once, now, and not again at every start until then.
    if (fetchedAt > now) this.#context.save({ document, fetchedAt: this.confirmedAt });
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
