import { setImmediate as nextTurn } from "node:timers/promises";
import { type Clock, steadyClock } from "../util/clock.js";
import type { DirectoryReads } from "./directory.js";
import type { Change, Position } from "./feed.js";
import { RevocationList } from "./revocation-list.js";

/** Feed rows read at a time. */
const PAGE_SIZE = 1_000;

/** What a {@link FeedFollower} reports, in the order of the feed. */
export type FeedEvent =
  /** The next changes, oldest first. */
  | { readonly kind: "changes"; readonly changes: readonly Change[] }
  /** Everything read before must be dropped: another history, a position that is no longer retained, or a reset. */
  | { readonly kind: "reset"; readonly revocations: RevocationList }
  /** Every entry read before must be dropped; the revocations stay. Only a worker gets it, before its `reset`. */
  | { readonly kind: "drop" }
  /**
   * The feed was read to its end.
   *
   * @param now when this reading began, milliseconds since 1970
   * @param steady the same on the steady clock
   */
  | { readonly kind: "caughtUp"; readonly now: number; readonly steady: number };

/** Where a copy of the directory in memory gets its events from, and how current they are. */
export interface FeedReader {
  /** The position of the last applied event as text for `Evidence.feed_position`; empty before the first. */
  readonly positionText: string;
  /** The number of the last applied change; 0 before the first. */
  readonly positionNumber: number;
  /** When the feed was last read to its end: the start of that reading in milliseconds since 1970; -Infinity for never. */
  readonly followedAt: number;
  /** Whether the feed was read to its end recently enough for verdicts. @param now milliseconds since 1970 */
  isFresh(now: number): boolean;
  /** Whether the feed still has every change to what was read at a position. */
  covers(position: Position): boolean;
  /** Reads the feed to its end. @throws DirectoryError if it cannot be read */
  follow(): Promise<void>;
}

/** What a {@link FeedFollower} needs. */
interface FollowerOptions {
  readonly directory: Pick<DirectoryReads, "changes" | "revocations">;
  readonly clock: Clock;
  /** Milliseconds without a complete reading after which {@link FeedFollower.isFresh} is false. Default 60,000. */
  readonly staleFor?: number | undefined;
  /** Applies an event. The position moves past the event in the same turn, so no reader sees one without the other. */
  readonly apply: (event: FeedEvent, position: Position) => void;
  /** A clock in milliseconds that all processes of the machine share and that is never set; default {@link steadyClock}. */
  readonly steady?: Clock;
}

/**
 * Reads the change feed from where it left off, and hands its events over in order.
 *
 * It has no position and is not fresh before the first {@link follow}, which starts with a `reset`.
 */
export class FeedFollower implements FeedReader {
  readonly #directory: Pick<DirectoryReads, "changes" | "revocations">;
  readonly #clock: Clock;
  readonly #staleFor: number;
  readonly #apply: (event: FeedEvent, position: Position) => void;
  readonly #steady: Clock;
  #position: Position | undefined;
  #positionText = "";
  #followedAt = Number.NEGATIVE_INFINITY;
  #following: Promise<void> | undefined;

  constructor({ directory, clock, staleFor = 60_000, apply, steady = steadyClock }: FollowerOptions) {
    this.#directory = directory;
    this.#clock = clock;
    this.#staleFor = staleFor;
    this.#apply = apply;
    this.#steady = steady;
  }

  /** The position of the last applied event as `epoch.number`; empty before the first. */
  get positionText(): string {
    return this.#positionText;
  }

  /** The number of the last applied change; 0 before the first. */
  get positionNumber(): number {
    return this.#position?.number ?? 0;
  }

  /** When the feed was last read to its end: the start of that reading in milliseconds since 1970; -Infinity for never. */
  get followedAt(): number {
    return this.#followedAt;
  }

  /** True within `staleFor` of the last complete reading. @param now milliseconds since 1970 */
  isFresh(now: number): boolean {
    // A clock that was set back by more than staleFor proves nothing either.
    return Math.abs(now - this.#followedAt) <= this.#staleFor;
  }

  /**
   * True for a position at or after the last applied event, of the same history: the feed still has every change to what
   * was read there. A change to something read earlier may have passed already, and would never be applied to it.
   */
  covers({ epoch, number }: Position): boolean {
    return this.#position !== undefined && epoch === this.#position.epoch && number >= this.#position.number;
  }

  /**
   * Reads the feed to its end. Overlapping calls share one reading.
   *
   * @throws DirectoryError from the store; the events so far stay applied, and the next call goes on after them
   */
  follow(): Promise<void> {
    this.#following ??= this.#read().finally(() => {
      this.#following = undefined;
    });
    return this.#following;
  }

  async #read(): Promise<void> {
    // Changes made while the feed is read may be missed, so freshness counts from the start.
    const [startedAt, steady] = [this.#clock(), this.#steady()];
    while (await this.#readPage()) await nextTurn();
    if (this.#position !== undefined) this.#apply({ kind: "caughtUp", now: startedAt, steady }, this.#position);
    this.#followedAt = startedAt;
  }

  /** Reads and applies one page. @returns true if there may be another */
  async #readPage(): Promise<boolean> {
    const after = this.#position;
    const changes = after === undefined ? "restart" : await this.#directory.changes(after, PAGE_SIZE);
    if (after === undefined || changes === "restart") {
      await this.#reset();
      return false;
    }
    const last = changes.at(-1);
    if (last === undefined) return false;
    const position = { epoch: after.epoch, number: last.number };
    // The revocations are read after the reset. If the history changes in between, the next page is a restart.
    if (changes.some(({ kind }) => kind === "reset")) await this.#reset(position);
    else this.#advance({ kind: "changes", changes }, position);
    return changes.length === PAGE_SIZE;
  }

  async #reset(position?: Position): Promise<void> {
    const read = await this.#directory.revocations();
    const revocations = await RevocationList.from(read.value);
    this.#advance({ kind: "reset", revocations }, position ?? read.position);
  }

  #advance(event: FeedEvent, position: Position): void {
    this.#apply(event, position);
    this.#position = position;
    this.#positionText = `${position.epoch}.${position.number}`;
  }
}
