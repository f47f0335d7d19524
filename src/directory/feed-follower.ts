import { setImmediate as nextTurn } from "node:timers/promises";
import { type Clock, steadyClock } from "../util/clock.js";
import type { FeedReads } from "./directory.js";
import type { Change } from "./feed.js";
import type { Position } from "./position.js";

/** Feed rows read at a time. */
const PAGE_SIZE = 1_000;

/** What a {@link FeedReader} reports, in the order of the feed. */
export type FeedEvent =
  /** The next changes, oldest first. */
  | { readonly kind: "changes"; readonly changes: readonly Change[] }
  /**
   * The feed cannot tell what changed: everything read before must be dropped, and the revocations be loaded again.
   *
   * @param isOtherHistory true if the store went back in time, and may lack changes that were applied here
   */
  | { readonly kind: "restart"; readonly isOtherHistory?: boolean }
  /**
   * The feed was read to its end.
   *
   * @param now when this reading began, milliseconds since 1970
   * @param steady the same on the steady clock
   */
  | { readonly kind: "caughtUp"; readonly now: number; readonly steady: number };

/** Where a copy of the directory in memory gets its events from, and how current they are. */
export interface FeedReader {
  /** The position of the last applied event; undefined before the first. */
  readonly position: Position | undefined;
  /** When the feed was last read to its end: the start of that reading in milliseconds since 1970; -Infinity for never. */
  readonly followedAt: number;
  /**
   * Whether the feed was read to its end recently enough for verdicts.
   *
   * @param now milliseconds since 1970
   * @param staleFor a stricter limit than the reader's own, in milliseconds
   */
  isFresh(now: number, staleFor?: number): boolean;
  /** Whether the feed still has every change to what was read at a position. */
  covers(position: Position): boolean;
  /** Reads the feed to its end. @throws DirectoryError if it cannot be read */
  follow(): Promise<void>;
}

/** What a {@link FeedFollower} needs. */
interface FollowerOptions {
  readonly directory: Pick<FeedReads, "poll">;
  readonly clock: Clock;
  /** Milliseconds without a complete reading after which {@link FeedFollower.isFresh} is false. Default 60,000. */
  readonly staleFor?: number | undefined;
  /** Applies an event. The position moves past the event in the same turn, so no reader sees one without the other. */
  readonly apply: (event: FeedEvent, position: Position) => void;
  /** A clock in milliseconds that all processes of the machine share and that is never set; default {@link steadyClock}. */
  readonly steady?: Clock;
  /**
   * Since when the store has left a write of this process without any answer, on the steady clock; Infinity if it has not.
   * One that is cut off from its standbys still answers reads, and lacks what the new primary was told. Default: Infinity.
   */
  readonly unansweredSince?: () => number;
}

/**
 * Reads the change feed from where it left off, and hands its events over in order.
 *
 * It has no position and is not fresh before the first {@link follow}, which starts with a `restart`.
 */
export class FeedFollower implements FeedReader {
  readonly #directory: Pick<FeedReads, "poll">;
  readonly #clock: Clock;
  readonly #staleFor: number;
  readonly #apply: (event: FeedEvent, position: Position) => void;
  readonly #steady: Clock;
  readonly #unansweredSince: () => number;
  #position: Position | undefined;
  #followedAt = Number.NEGATIVE_INFINITY;
  #steadyAt = Number.NEGATIVE_INFINITY;
  #following: Promise<void> | undefined;

  constructor({
    directory,
    clock,
    staleFor = 60_000,
    apply,
    steady = steadyClock,
    unansweredSince = () => Number.POSITIVE_INFINITY,
  }: FollowerOptions) {
    this.#directory = directory;
    this.#clock = clock;
    this.#staleFor = staleFor;
    this.#apply = apply;
    this.#steady = steady;
    this.#unansweredSince = unansweredSince;
  }

  get position(): Position | undefined {
    return this.#position;
  }

  get followedAt(): number {
    return this.#followedAt;
  }

  /**
   * True within `staleFor` of the last complete reading, by both clocks: the wall clock may be set, and the steady one
   * stands still while a virtual machine is suspended. A write that the store leaves unanswered for as long ends it as well.
   */
  isFresh(now: number, staleFor = this.#staleFor): boolean {
    const most = Math.min(staleFor, this.#staleFor);
    return (
      Math.abs(now - this.#followedAt) <= most &&
      this.#steady() - Math.min(this.#steadyAt, this.#unansweredSince()) <= most
    );
  }

  /**
   * True for a position at or after the last applied event: the feed still has every change to what was read there. A change
   * to something read earlier may have passed already, and would never be applied to it. A position ahead may turn out to
   * be of another history, which the next reading then finds.
   */
  covers({ number, mark }: Position): boolean {
    const at = this.#position;
    return at !== undefined && (number > at.number || (number === at.number && mark === at.mark));
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
    this.#steadyAt = steady;
  }

  /** Reads and applies one page. @returns true if there may be another */
  async #readPage(): Promise<boolean> {
    const { head, changes, isOtherHistory = false } = await this.#directory.poll(this.#position, PAGE_SIZE);
    if (changes === "restart") {
      this.#advance({ kind: "restart", ...(isOtherHistory && { isOtherHistory }) }, head);
      return false;
    }
    const last = changes.at(-1);
    if (last === undefined) return false;
    this.#advance({ kind: "changes", changes }, { number: last.number, mark: last.mark });
    return changes.length === PAGE_SIZE;
  }

  #advance(event: FeedEvent, position: Position): void {
    this.#apply(event, position);
    // One object for all verdicts until the next event: its form on the wire is kept in it.
    this.#position = { number: position.number, mark: position.mark, encoded: undefined };
  }
}
