import { hash } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { failure, type Outcome, type Verified } from "../contract/verifier.js";
import type { Clock } from "../util/clock.js";
import { type After, runAfter, until } from "../util/timeouts.js";
import type { Channel } from "./channel.js";
import type { Answer } from "./coalescer.js";
import { selectorsOf } from "./selectors.js";
import { Watch } from "./watch.js";
import { type Room, WatchState } from "./watch-state.js";

/** How verdicts are kept. */
export interface CacheOptions {
  /**
   * Milliseconds for which no service may have been heard (default 2000, at least 1500): a revoked token may be accepted for
   * this long and the time that the service itself was behind, its `feed_age`, but no longer.
   */
  readonly maxStaleness?: number;
  /** Verdicts that are kept (default 10,000); the least recently used are dropped first. */
  readonly maxEntries?: number;
}

/** What a cache has done since the client was made. */
export interface CacheStatistics {
  /** Calls answered from the cache. */
  readonly hits: number;
  /** Calls sent to the service because the cache had no verdict. */
  readonly misses: number;
  /** Calls sent to the service although there was a verdict, because no service had been heard lately. */
  readonly suspended: number;
  /** Verdicts kept now. */
  readonly entries: number;
}

const [MAX_STALENESS, LEAST_STALENESS] = [2_000, 1_500];
const MAX_ENTRIES = 10_000;

/** Calls in flight that ask again for what is kept and may not be used. */
const MAX_REASKED = 64;

/** Watches of a client; calls of further callers are not cached. */
const MAX_WATCHES = 100;

/** Milliseconds without a call after which a watch ends. */
const UNUSED = 5 * 60_000;

/** The verdicts of one realm and one caller. */
interface Session {
  readonly state: WatchState<Verified>;
  readonly watch: Watch;
  usedAt: number;
}

/** What a cache needs besides its options. */
export interface CacheContext {
  readonly channel: Pick<Channel, "watch">;
  /** Milliseconds since 1970. */
  readonly clock: Clock;
  readonly after?: After;
}

/** Keeps `verified` verdicts, and watches for what ends them. */
export class VerdictCache {
  readonly #channel: Pick<Channel, "watch">;
  readonly #now: Clock;
  readonly #clock: Clock;
  readonly #after: After;
  readonly #maxStaleness: number;
  readonly #room: Room;
  readonly #sessions = new Map<string, Session>();
  readonly #waiting = new Set<() => void>();
  #isClosed = false;
  #reasked = 0;
  #hits = 0;
  #misses = 0;
  #suspended = 0;

  /** @throws RangeError for options that are out of range */
  constructor(options: CacheOptions, { channel, clock, after = runAfter }: CacheContext) {
    const { maxStaleness = MAX_STALENESS, maxEntries = MAX_ENTRIES } = options;
    if (!(maxStaleness >= LEAST_STALENESS)) {
      throw new RangeError(`cache: maxStaleness must be at least ${LEAST_STALENESS} milliseconds`);
    }
    if (!(Number.isSafeInteger(maxEntries) && maxEntries >= 1)) {
      throw new RangeError("cache: maxEntries must be a whole number from 1");
    }
    this.#maxStaleness = maxStaleness;
    this.#room = { max: maxEntries, used: 0 };
    this.#channel = channel;
    this.#clock = clock;
    this.#now = forwardClock(clock);
    this.#after = after;
  }

  /** What it has done so far. */
  statistics(): CacheStatistics {
    return { hits: this.#hits, misses: this.#misses, suspended: this.#suspended, entries: this.#room.used };
  }

  /**
   * Answers from memory, or asks.
   *
   * @param message without a proof and not to be explained
   * @param deadline milliseconds since 1970
   */
  async verify(message: VerifyTokenRequest, deadline: number, ask: () => Promise<Answer>): Promise<Answer> {
    const session = this.#isClosed ? undefined : this.#session(message);
    if (session === undefined) {
      this.#misses++;
      return ask();
    }
    const key = cacheKey(message);
    session.usedAt = this.#now();
    const kept = session.state.get(key, session.usedAt);
    if (kept === undefined) {
      this.#misses++;
      return this.#ask(session, key, message.token, ask);
    }
    if (kept !== "suspended") return this.#hit(kept);
    return this.#askAgain(session, key, message.token, deadline, ask);
  }

  /** Ends all watches. */
  close(): void {
    this.#isClosed = true;
    for (const { watch } of this.#sessions.values()) watch.close();
    this.#sessions.clear();
  }

  #hit(outcome: Verified): Answer {
    this.#hits++;
    return { outcome, requestId: "" };
  }

  /** Asks for what is kept and may not be used, in a bounded number of calls at a time. The others wait for their turn. */
  async #askAgain(
    session: Session,
    key: string,
    token: string,
    deadline: number,
    ask: () => Promise<Answer>,
  ): Promise<Answer> {
    while (this.#reasked >= MAX_REASKED) {
      await this.#turn(deadline - this.#clock());
      const kept = session.state.get(key, this.#now());
      if (kept === undefined) break;
      if (kept !== "suspended") return this.#hit(kept);
      if (this.#clock() >= deadline) return { outcome: failure("TIMED_OUT"), requestId: "" };
    }
    this.#suspended++;
    this.#reasked++;
    try {
      return await this.#ask(session, key, token, ask);
    } finally {
      this.#reasked--;
      const [next] = this.#waiting;
      next?.();
    }
  }

  async #turn(millis: number): Promise<void> {
    let wake = (): void => {};
    const turn = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#waiting.add(wake);
    await until(turn, millis);
    this.#waiting.delete(wake);
  }

  async #ask(session: Session, key: string, token: string, ask: () => Promise<Answer>): Promise<Answer> {
    const askedAt = this.#now();
    const answer = await ask();
    this.#offer(session, key, token, answer.outcome, askedAt);
    return answer;
  }

  #offer({ state, watch }: Session, key: string, token: string, outcome: Outcome, askedAt: number): void {
    if (outcome.kind !== "verified") return;
    const { evidence } = outcome;
    const { position, trustedKey, realmVersion, cacheableUntil, evaluatedAt, feedAge } = evidence;
    if (cacheableUntil === undefined) return;
    // An instance's own key has no name; then the instance must be known.
    if (trustedKey === "" && (outcome.principal?.user?.instanceId ?? "") === "") return;
    const lifetime = cacheableUntil.seconds * 1000 + cacheableUntil.nanos / 1e6 - evaluatedAt;
    const issued = outcome.token.issuedAt;
    const candidate = {
      value: outcome,
      position,
      trustedKey,
      realmVersion,
      selectors: selectorsOf(token, outcome, watch.keys),
      issuedAt: issued && issued.seconds + issued.nanos / 1e9,
      until: askedAt + lifetime,
      readAt: feedAge === undefined ? undefined : askedAt - feedAge,
    };
    state.offer(key, candidate, this.#now());
  }

  #session({ realm, caller }: VerifyTokenRequest): Session | undefined {
    const name = digest([realm, caller]);
    const known = this.#sessions.get(name);
    if (known !== undefined) return known;
    if (this.#sessions.size >= MAX_WATCHES) return undefined;
    const state = new WatchState<Verified>(this.#maxStaleness, this.#room);
    const session: Session = {
      state,
      usedAt: this.#now(),
      watch: new Watch(state, {
        open: { realm, caller },
        connect: () => this.#channel.watch(),
        interval: Math.min(1_000, this.#maxStaleness / 2),
        clock: this.#now,
        after: this.#after,
        onAnswer: () => {
          for (const wake of this.#waiting) wake();
          if (this.#now() - session.usedAt > UNUSED) this.#end(name, session);
        },
      }),
    };
    this.#sessions.set(name, session);
    return session;
  }

  #end(name: string, { state, watch }: Session): void {
    this.#sessions.delete(name);
    watch.close();
    state.denied();
  }
}

/** What a verdict is kept under: realm, caller and all bytes of the token. */
const cacheKey = ({ realm, caller, token }: VerifyTokenRequest): string => digest([realm, caller, token]);

const digest = (parts: readonly unknown[]): string => hash("sha256", JSON.stringify(parts), "binary");

/**
 * A clock that never goes back: milliseconds since it was made, by the monotonic clock or by the wall clock, whichever has gone
 * further. The monotonic one stands still while a machine is suspended.
 */
export function forwardClock(wall: Clock, monotonic: Clock = () => performance.now()): Clock {
  let [lastWall, lastMonotonic, total] = [wall(), monotonic(), 0];
  return () => {
    const [nowWall, nowMonotonic] = [wall(), monotonic()];
    total += Math.max(nowWall - lastWall, nowMonotonic - lastMonotonic, 0);
    [lastWall, lastMonotonic] = [nowWall, nowMonotonic];
    return total;
  };
}
