import type { Algorithm } from "../../jws/algorithms.js";
import { readJson } from "../../jws/json.js";
import type { Clock } from "../../util/clock.js";
import type { After } from "../../util/timeouts.js";
import { keptKey } from "../kept.js";
import type { VerificationKey } from "../key.js";
import { KeyError, shortened } from "../key-error.js";
import { KeySet } from "../key-set.js";
import type { LeftOut } from "../load-jwks.js";
import { pauseAfter } from "./backoff.js";
import type { FetchedSet, Memory } from "./documents.js";
import { FetchError } from "./fetch-error.js";
import { examinePublished, loadPublished } from "./published.js";

/** When keys are fetched and how long they count: milliseconds all. */
export interface RemoteSettings {
  /** The shortest time from one fetch to the next where all is well. */
  readonly refreshMin: number;
  /** The longest; also of a pause after a failure. */
  readonly refreshMax: number;
  /** How long the last good set verifies while no other can be had, from its last successful fetch. */
  readonly staleIfError: number;
  /** From one fetch for an unknown `kid` to the next. */
  readonly cooldown: number;
  /** The longest that a fetch takes. */
  readonly timeout: number;
}

/** A set as it is kept over a restart. */
export interface SavedSet {
  /** The document, as JSON. */
  readonly document: string;
  /** When it was last fetched, or confirmed: milliseconds since 1970. */
  readonly fetchedAt: number;
}

/** What remote keys need of the world. */
export interface RemoteContext {
  readonly clock: Clock;
  readonly after: After;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly fetch: (last: Memory | undefined) => Promise<FetchedSet>;
  /** Keeps a good set for the next start. What it throws is for it to tell. */
  readonly save: (saved: SavedSet) => void;
  readonly observer: RemoteObserver;
}

/** Is told what becomes of remote keys. */
export interface RemoteObserver {
  /**
   * A fetch was good.
   *
   * @param changes what is different now; empty where nothing is
   * @param failures in a row before it
   * @param wasOut whether {@link out} was told since the last good fetch
   */
  fetched(changes: SetChanges, failures: number, wasOut: boolean): void;
  /** A fetch failed. @param failures in a row, this one included @param left as {@link RemoteStatus} has it */
  failed(why: string, failures: number, left: number): void;
  /** No set counts any more, or fetches fail and none ever did. Told once, until a fetch is good. */
  out(why: string, failures: number): void;
}

/** What a set has that the one before it had not, and the other way round. */
export interface SetChanges {
  /** Names of keys: the first 64 characters of their `kid`, or their label where they have none. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The keys that are left out, where these are others than before; empty otherwise. */
  readonly leftOut: readonly LeftOut[];
}

/** How remote keys stand. */
export interface RemoteStatus {
  /**
   * `fresh`; `stale`: the set counts, but the last fetch failed, or it is of an earlier run and none has ended yet;
   * `failing`: no set that counts, and fetches fail; `cold`: none yet.
   */
  readonly state: "fresh" | "stale" | "failing" | "cold";
  /** Why the last fetch failed; empty where it did not. */
  readonly why: string;
  /** Milliseconds since the last successful fetch; undefined for never. */
  readonly age: number | undefined;
  /** Milliseconds until the next scheduled fetch. */
  readonly next: number;
  /** Milliseconds for which the set counts on if no other can be had; 0 where none counts. */
  readonly left: number;
}

/** How often one question waits for a fetch: for the one under way, and for its own. */
const WAITS = 2;

/** The shortest time after which anybody is told to ask again, in milliseconds. */
const SHORTEST_RETRY = 1000;

/**
 * The keys that an issuer publishes, fetched in the background: refreshed before they are old, kept through an outage
 * for a bounded time, and fetched anew for a `kid` that nobody knows.
 */
export class RemoteKeys {
  readonly #settings: RemoteSettings;
  readonly #algorithms: readonly Algorithm[];
  readonly #context: RemoteContext;
  #set: KeySet | undefined;
  #memory: Memory | undefined;
  #document = "";
  #leftOut: readonly LeftOut[] = [];
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #soughtAt = Number.NEGATIVE_INFINITY;
  #due: number;
  #isConfirmed = false;
  #failures = 0;
  /** Failures that the schedule counts: not those of fetches that questions began, or many questions could slow it down. */
  #steps = 0;
  #why = "";
  /** The fetch under way: when it began, and what settles once it has ended. */
  #flight: { readonly started: number; readonly done: Promise<void> } | undefined;
  #cancel: () => void = () => {};
  /** Whether the observer was told that no set counts. */
  #isOut = false;
  #cancelEnd: () => void = () => {};
  #closed = false;

  /** Begins to fetch at once. @param saved the set of an earlier run */
  constructor(
    settings: RemoteSettings,
    algorithms: readonly Algorithm[],
    context: RemoteContext,
    saved: SavedSet | undefined,
  ) {
    this.#settings = settings;
    this.#algorithms = algorithms;
    this.#context = context;
    this.#due = context.clock();
    if (saved !== undefined) this.#restore(saved);
    this.#watchEnd();
    this.#begin(false);
  }

  /** The keys that count now: the same object as long as nothing changed. Undefined where none do. */
  current(now: number): KeySet | undefined {
    return now - this.#fetchedAt <= this.#settings.staleIfError ? this.#set : undefined;
  }

  /** The keys that count at this moment. */
  get set(): KeySet | undefined {
    return this.current(this.#context.clock());
  }

  /** When the set was last fetched, or confirmed: the start of that fetch, in milliseconds since 1970; -Infinity for never. */
  get fetchedAt(): number {
    return this.#fetchedAt;
  }

  /** True where the last fetch failed, or the set is of an earlier run and has not been confirmed since. */
  get isStale(): boolean {
    return this.#failures > 0 || !this.#isConfirmed;
  }

  /** The keys of the last set that are not used. */
  get leftOut(): readonly LeftOut[] {
    return this.#leftOut;
  }

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
   * Waits for a fetch that may help a token that no known key fits: the first one where no set counts, otherwise one
   * that starts after the question. All who wait share it. Never rejects.
   *
   * @param kid the key id sought; undefined for any
   * @param since when the question came: a set that was fetched after that answers it, whatever is in it
   * @param deadline when waiting is of no more use
   * @returns undefined where asking again gives an answer; else the milliseconds after which it may: a second at least
   */
  async load(kid: string | undefined, since: number, deadline: number): Promise<number | undefined> {
    for (let waits = 0; ; waits++) {
      const now = this.#context.clock();
      if (this.answers(kid, since, now)) return undefined;
      if (this.#flight === undefined) {
        if (this.#waitFor(now) > 0 || waits === WAITS || this.#closed) return this.#retryAfter(now);
        const sought = this.current(now) !== undefined || now < this.#due;
        if (sought) this.#soughtAt = now;
        this.#begin(sought);
      } else if (waits === WAITS) return this.#retryAfter(now);
      if (now >= deadline || this.#flight === undefined) return this.#retryAfter(now);
      await this.#until(this.#flight.done, deadline - now);
    }
  }

  /**
   * Whether what is known answers a question that came at a time: it has the key, or was fetched after the question. A
   * token without a `kid` asks for any key: for it a set that is no older than the cooldown counts as fetched after.
   */
  answers(kid: string | undefined, since: number, now: number): boolean {
    const set = this.current(now);
    if (set === undefined) return false;
    if (kid !== undefined && set.hasKid(kid)) return true;
    // The clock was set back since: nobody can say what came first.
    if (this.#fetchedAt > now) return false;
    if (kid === undefined) return this.#fetchedAt >= since - this.#settings.cooldown;
    return this.#fetchedAt >= since;
  }

  /** Ends the fetching. */
  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#cancelEnd();
  }

  /** Milliseconds until a question may start a fetch: once a cooldown, and where no set counts, whenever one is due. */
  #waitFor(now: number): number {
    // A clock that was set back since must not make the cooldown longer.
    const sought = Math.min(this.#soughtAt, now) + this.#settings.cooldown;
    const at = this.current(now) === undefined ? Math.min(sought, this.#due) : sought;
    return Math.max(0, at - now);
  }

  /**
   * Milliseconds after which it is of use to ask again: when the fetch under way has ended, at the latest; where there is
   * none, when a question may start one.
   */
  #retryAfter(now: number): number {
    const { timeout } = this.#settings;
    const wait = this.#flight === undefined ? this.#waitFor(now) : timeout - Math.max(0, now - this.#flight.started);
    return Math.max(wait, SHORTEST_RETRY);
  }

  /** @param sought whether a question began it, out of turn */
  #begin(sought: boolean): void {
    if (this.#flight !== undefined || this.#closed) return;
    this.#cancel();
    const started = this.#context.clock();
    const done = this.#fetch(started, sought).finally(() => {
      this.#flight = undefined;
      this.#schedule();
    });
    this.#flight = { started, done };
  }

  async #fetch(started: number, sought: boolean): Promise<void> {
    try {
      const fetched = await this.#context.fetch(this.#memory);
      if (fetched.kind === "document") await examinePublished(fetched.value);
      if (this.#closed) return;
      if (fetched.kind === "document") this.#replace(fetched.value, fetched.memory);
      else if (this.#set === undefined) throw new FetchError("it says that a set did not change that was never given");
      this.#succeed(started, fetched.lifetime);
    } catch (error) {
      const isKnown = error instanceof FetchError || error instanceof KeyError;
      this.#fail(isKnown ? error.message : "the fetch itself is at fault", sought);
    }
  }

  #changes: SetChanges = NO_CHANGES;

  /**
   * Puts a set in the place of the last one. Whatever it throws, the last one stays, whole.
   *
   * @throws {KeyError} for one without a usable key
   */
  #replace(value: unknown, memory: Memory | undefined): void {
    const document = JSON.stringify(value);
    // Nothing else than before: there is nothing to load.
    if (this.#set !== undefined && document === this.#document) {
      this.#memory = memory;
      return;
    }
    const loaded = loadPublished(value, this.#algorithms);
    const before = this.#set?.keys ?? [];
    const keys = loaded.keys.map((key, index) => keptKey(before, index, key));
    const isSame = keys.length === before.length && keys.every((key, index) => key === before[index]);
    const sameLeftOut = JSON.stringify(loaded.leftOut) === JSON.stringify(this.#leftOut);
    const changes = {
      added: keys.filter((key) => !before.includes(key)).map(nameOf),
      removed: before.filter((key) => !keys.includes(key)).map(nameOf),
      leftOut: sameLeftOut ? [] : loaded.leftOut,
    };
    const set = isSame && this.#set !== undefined ? this.#set : new KeySet(keys);
    // From here on nothing can fail.
    this.#set = set;
    this.#changes = changes;
    this.#leftOut = loaded.leftOut;
    this.#memory = memory;
    this.#document = document;
  }

  #succeed(started: number, lifetime: number | undefined): void {
    const { refreshMin, refreshMax } = this.#settings;
    const failures = this.#failures;
    this.#failures = 0;
    this.#steps = 0;
    this.#why = "";
    this.#isConfirmed = true;
    this.#fetchedAt = started;
    this.#due = started + Math.min(refreshMax, Math.max(refreshMin, (lifetime ?? 0) * 1000));
    this.#context.save({ document: this.#document, fetchedAt: started });
    this.#context.observer.fetched(this.#changes, failures, this.#isOut);
    this.#changes = NO_CHANGES;
    this.#isOut = false;
    this.#watchEnd();
  }

  #fail(why: string, sought: boolean): void {
    if (this.#closed) return;
    this.#failures++;
    this.#why = why;
    if (!sought || this.#steps === 0) {
      this.#steps++;
      this.#due = this.#context.clock() + pauseAfter(this.#steps, this.#settings.refreshMax, this.#context.random());
    }
    const now = this.#context.clock();
    this.#context.observer.failed(why, this.#failures, this.#left(now));
    if (this.current(now) === undefined) this.#tellOut();
  }

  /** Sees to it that the end of the set's time is told when it comes, and not with the next failure. */
  #watchEnd(): void {
    this.#cancelEnd();
    const now = this.#context.clock();
    if (this.#closed || this.current(now) === undefined) return;
    // A timer may fire before its time, and a clock be set back.
    this.#cancelEnd = this.#context.after(this.#left(now) + 1, () =>
      this.current(this.#context.clock()) === undefined ? this.#tellOut() : this.#watchEnd(),
    );
  }

  #tellOut(): void {
    if (this.#isOut || this.#closed) return;
    this.#isOut = true;
    this.#context.observer.out(this.#why || "no fetch has ended since", this.#failures);
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#cancel();
    const wait = Math.max(0, this.#due - this.#context.clock());
    this.#cancel = this.#context.after(wait, () => this.#begin(false));
  }

  #restore({ document, fetchedAt }: SavedSet): void {
    try {
      this.#replace(readJson(Buffer.from(document)), undefined);
      this.#changes = NO_CHANGES;
      // Before every question of this run, whatever became of the clock meanwhile.
      const now = this.#context.clock();
      this.#fetchedAt = Math.min(fetchedAt, now - 1);
      // Fetched while the clock was wrong: it counts from now, and not anew from every start before that time.
      if (fetchedAt > now) this.#context.save({ document, fetchedAt: this.#fetchedAt });
    } catch (error) {
      // Saved by a version, or for algorithms, that admitted other keys: as if nothing had been saved.
      if (!(error instanceof KeyError)) throw error;
    }
  }

  /** Waits for a fetch, but no longer than so many milliseconds. */
  #until(done: Promise<void>, millis: number): Promise<void> {
    if (millis === Number.POSITIVE_INFINITY) return done;
    return new Promise((resolve) => {
      const cancel = this.#context.after(millis, resolve);
      void done.then(() => {
        cancel();
        resolve();
      });
    });
  }
}

const NO_CHANGES: SetChanges = { added: [], removed: [], leftOut: [] };

const nameOf = ({ kid, label }: VerificationKey): string => shortened(kid ?? label);
