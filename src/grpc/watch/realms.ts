import type { Position } from "../../contract/verdict-parts.js";
import type { WatchEvent, WatchedRealm, WatchSelector, WatchSource } from "../../contract/watch.js";
import type { Clock } from "../../util/clock.js";
import { bytes, dayOf, encodeWatch, SelectorWriter, trustedKeys } from "./messages.js";
import { ChangeRing } from "./ring.js";

/** Watchers that one turn of the event loop writes to. */
const BURST = 100;

/** Most selectors of a message. */
const MAX_SELECTORS = 1_000;

/** An open watch, as its realm knows it. */
export interface Watcher {
  /** Sends what is new. */
  advance(): void;
  /** Finds out whether its caller is still good. */
  recheck(): void;
}

/** A realm that is watched, or may be. */
export class WatchRealm {
  readonly name: string;
  readonly ring = new ChangeRing();
  readonly watchers = new Set<Watcher>();
  /** The realm as its watchers know it; undefined before the first look. */
  known: WatchedRealm | undefined;
  writer: SelectorWriter | undefined;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * The watched realms of a server. Each change is encoded once for each realm, and written to its watchers in bursts, so that
 * calls get their turn in between.
 */
export class WatchRealms {
  readonly #source: WatchSource;
  readonly #clock: Clock;
  readonly #realms = new Map<string, WatchRealm>();
  readonly #waiting = new Map<Watcher, "advance" | "recheck">();
  #isScheduled = false;

  constructor(source: WatchSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
    source.onChange((event) => this.#take(event));
    this.#lookAtAll();
  }

  /** Looks at a realm as it is now, and tells its watchers what changed. @returns undefined if there is no such realm */
  look(name: string): WatchRealm | undefined {
    const now = this.#source.realm(name);
    const one = this.#realms.get(name);
    if (now === undefined) {
      this.#realms.delete(name);
      if (one !== undefined) one.known = undefined;
      return undefined;
    }
    if (one === undefined) {
      const made = new WatchRealm(name);
      made.known = now;
      this.#realms.set(name, made);
      const position = this.#source.position();
      if (position !== undefined) made.ring.pass(position);
      return made;
    }
    const { known } = one;
    one.known = now;
    if (known === undefined) return one;
    if (known.version !== now.version) {
      this.#add(one, { $case: "realmChanged", value: { realmVersion: bytes(now.version) } });
    }
    if (known.trustedKeys !== now.trustedKeys && known.trustedKeys.join() !== now.trustedKeys.join()) {
      this.#add(one, { $case: "keysChanged", value: { trustedKeys: trustedKeys(now) } });
    }
    return one;
  }

  #lookAtAll(): void {
    for (const name of this.#source.realms()) this.look(name);
  }

  #take(event: WatchEvent): void {
    if (event.kind === "position") {
      for (const one of this.#realms.values()) this.#pass(one, event.position);
      return;
    }
    this.#lookAtAll();
    for (const one of this.#realms.values()) this.#tell(one, event);
  }

  #pass(one: WatchRealm, position: Position): void {
    one.ring.pass(position);
    // Some may wait to go on after this position.
    this.#wake(one, "advance");
  }

  #tell(one: WatchRealm, event: Exclude<WatchEvent, { kind: "position" }>): void {
    const { known } = one;
    if (known?.isOpen !== true) return;
    switch (event.kind) {
      case "callers":
        this.#wake(one, "recheck");
        break;
      case "reset":
        one.ring.forget();
        this.#add(one, { $case: "reset", value: {} });
        this.#wake(one, "recheck");
        break;
      case "subjects":
        if (!known.usesDirectory) return;
        this.#addSelectors(one, event.selectors, (selectors, digestKey) => ({
          $case: "subjectChanged",
          value: { selectors, digestKey },
        }));
        break;
      case "revoked": {
        if (event.realm !== undefined && event.realm !== one.name) return;
        const seconds = event.issuedBefore;
        const issuedBefore = seconds === null ? undefined : { seconds: BigInt(seconds), nanos: 0 };
        this.#addSelectors(one, event.selectors, (selectors, digestKey) => ({
          $case: "revoked",
          value: { selectors, issuedBefore, digestKey },
        }));
        break;
      }
      case "unrevoked":
        if (event.realm !== undefined && event.realm !== one.name) return;
        this.#addSelectors(one, event.selectors, (selectors, digestKey) => ({
          $case: "unrevoked",
          value: { selectors, digestKey },
        }));
        break;
    }
  }

  #addSelectors(
    one: WatchRealm,
    selectors: readonly WatchSelector[],
    message: (selectors: ReturnType<SelectorWriter["write"]>, day: number) => Parameters<typeof encodeWatch>[0],
  ): void {
    const day = dayOf(this.#clock());
    if (one.writer?.day !== day) one.writer = new SelectorWriter(this.#source.digestRoot(), one.name, day);
    for (let start = 0; start < selectors.length; start += MAX_SELECTORS) {
      const part = selectors.slice(start, start + MAX_SELECTORS);
      const written = one.writer.write(part, one.known as WatchedRealm);
      if (written.length > 0) this.#add(one, message(written, day));
    }
  }

  #add(one: WatchRealm, message: Parameters<typeof encodeWatch>[0]): void {
    one.ring.add(encodeWatch(message, this.#source.position()));
    this.#wake(one, "advance");
  }

  #wake(one: WatchRealm, what: "advance" | "recheck"): void {
    for (const watcher of one.watchers) {
      if (what === "recheck" || !this.#waiting.has(watcher)) this.#waiting.set(watcher, what);
    }
    if (this.#isScheduled || this.#waiting.size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => this.#burst());
  }

  #burst(): void {
    this.#isScheduled = false;
    let left = BURST;
    for (const [watcher, what] of this.#waiting) {
      if (left-- === 0) break;
      this.#waiting.delete(watcher);
      if (what === "recheck") watcher.recheck();
      watcher.advance();
    }
    if (this.#waiting.size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => this.#burst());
  }
}
