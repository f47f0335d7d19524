import { createSecretKey, type KeyObject } from "node:crypto";
import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import type {
  Selector,
  WatchChangesRequest,
  WatchChangesResponse,
  WatchOpen,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import type { FailureReason } from "../contract/failures.js";
import type { Position } from "../contract/verifier.js";
import type { Clock } from "../util/clock.js";
import type { After } from "../util/timeouts.js";
import { positionFromWire, positionToWire } from "../wire/messages.js";
import { failureFromStatus } from "../wire/status.js";
import type { DigestKeys } from "./selectors.js";
import { selectorTexts } from "./selectors.js";
import type { Change, WatchState } from "./watch-state.js";

/** A stream of changes. */
export type ChangeStream = ClientDuplexStream<WatchChangesRequest, WatchChangesResponse>;

/** Milliseconds without an answer to any ping after which a watch is opened again, over another connection. */
const UNANSWERED = 15_000;

/** Milliseconds before a watch that ended is opened again: the first time, and at most. */
const [FIRST_DELAY, LAST_DELAY] = [100, 5_000];

/** Milliseconds before a watch is tried again that the service does not allow. */
const DENIED_DELAY = 60_000;

/** Failures after which nothing may be kept. Any other end of a stream says nothing about the caller. */
const DENIALS: ReadonlySet<FailureReason> = new Set([
  "REALM_UNKNOWN",
  "CREDENTIAL_REFUSED",
  "CALLER_MISSING",
  "CALLER_UNKNOWN",
  "CALLER_DENIED",
  "WATCH_DENIED",
  "WATCH_NOT_OPENED",
  "RATE_LIMITED",
  "EXPLAIN_DENIED",
]);

/** What a watch needs. */
export interface WatchOptions {
  readonly open: Omit<WatchOpen, "resumeAfter">;
  /** Opens a stream. */
  readonly connect: () => ChangeStream;
  /** Milliseconds from one ping to the next. */
  readonly interval: number;
  /** A clock that never goes back, in milliseconds. */
  readonly clock: Clock;
  readonly after: After;
  /** Called after each answer to a ping. */
  readonly onAnswer: () => void;
}

/** Keeps a watch open, and tells a state what it hears. */
export class Watch {
  readonly #state: WatchState<unknown>;
  readonly #options: WatchOptions;
  #keys = new Map<number, KeyObject>();
  #stream: ChangeStream | undefined;
  #delay = FIRST_DELAY;
  #number = 0n;
  #sent = new Map<bigint, number>();
  #answeredAt = 0;
  #cancelTimer = (): void => {};
  #isClosed = false;
  #lacksKey = false;

  constructor(state: WatchState<unknown>, options: WatchOptions) {
    this.#state = state;
    this.#options = options;
    this.#connect();
  }

  /** The keys of the digests of changes. */
  get keys(): DigestKeys {
    return this.#keys;
  }

  /** Ends the watch. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
    this.#stream?.cancel();
    this.#stream = undefined;
  }

  #connect(): void {
    const stream = this.#options.connect();
    this.#stream = stream;
    this.#sent = new Map();
    this.#answeredAt = this.#options.clock();
    stream.on("data", (message: WatchChangesResponse) => {
      if (this.#stream === stream) this.#take(message);
    });
    stream.on("error", (error: ServiceError) => this.#ended(stream, error));
    stream.on("end", () => this.#ended(stream, undefined));
    const { position } = this.#state;
    const open = { ...this.#options.open, resumeAfter: position && positionToWire(position) };
    stream.write({ message: { $case: "open", value: open } });
    this.#ping();
  }

  #ping(): void {
    const { clock, after, interval } = this.#options;
    const stream = this.#stream;
    if (stream === undefined) return;
    const now = clock();
    if (now - this.#answeredAt > UNANSWERED) {
      this.#reconnect(0);
      return;
    }
    const number = ++this.#number;
    this.#sent.set(number, now);
    stream.write({ message: { $case: "ping", value: number } });
    this.#cancelTimer = after(interval, () => this.#ping());
  }

  #ended(stream: ChangeStream, error: ServiceError | undefined): void {
    if (this.#stream !== stream || this.#isClosed) return;
    const failed = error && failureFromStatus(error);
    if (failed !== undefined && DENIALS.has(failed.reason)) {
      this.#state.denied();
      this.#reconnect(DENIED_DELAY);
    } else {
      this.#reconnect(Math.max(this.#delay * Math.random(), failed?.reason === "INTERNAL" ? DENIED_DELAY : 0));
      this.#delay = Math.min(2 * this.#delay, LAST_DELAY);
    }
  }

  #reconnect(delay: number): void {
    this.#cancelTimer();
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
    this.#cancelTimer = this.#options.after(delay, () => this.#connect());
  }

  #take({ position: told, message }: WatchChangesResponse): void {
    const { clock, onAnswer } = this.#options;
    const now = clock();
    const position = told && positionFromWire(told);
    switch (message?.$case) {
      case "opened": {
        const { resumed, realmVersion, trustedKeys, digestKeys } = message.value;
        // What is kept has no digests of a new key.
        const isNew = digestKeys.some(({ id }) => !this.#keys.has(id));
        for (const { id, key } of digestKeys) this.#keys.set(id, createSecretKey(key));
        const latest = Math.max(...this.#keys.keys());
        for (const id of this.#keys.keys()) if (id < latest - 1) this.#keys.delete(id);
        const opening = {
          resumed: resumed && !isNew,
          realmVersion: text(realmVersion),
          trustedKeys: trustedKeys.map(text),
        };
        this.#delay = FIRST_DELAY;
        this.#state.opened(opening, position, now);
        break;
      }
      case "pong": {
        const { ping } = message.value;
        const sentAt = this.#sent.get(ping);
        for (const number of this.#sent.keys()) if (number <= ping) this.#sent.delete(number);
        if (sentAt === undefined) return;
        this.#answeredAt = now;
        this.#state.answered(sentAt, position, now);
        onAnswer();
        break;
      }
      default:
        this.#change(message, position, now);
    }
  }

  #change(message: WatchChangesResponse["message"], position: Position | undefined, now: number): void {
    this.#state.changed(this.#read(message), position, now);
    // A new stream is given the keys of today.
    if (this.#lacksKey) this.#reconnect(0);
    this.#lacksKey = false;
  }

  /** Reads a change. One with an unknown key of digests, or of a later version, may mean anything. */
  #read(message: WatchChangesResponse["message"]): Change {
    switch (message?.$case) {
      case "revoked": {
        const { selectors, issuedBefore, digestKey } = message.value;
        return this.#ending(selectors, digestKey, issuedBefore && Number(issuedBefore.seconds));
      }
      case "subjectChanged":
        return this.#ending(message.value.selectors, message.value.digestKey, undefined);
      case "unrevoked":
        return { kind: "ended", selectors: [], issuedBefore: undefined };
      case "keysChanged":
        return { kind: "keys", trustedKeys: message.value.trustedKeys.map(text) };
      case "realmChanged":
        return { kind: "realm", realmVersion: text(message.value.realmVersion) };
      default:
        return { kind: "reset" };
    }
  }

  #ending(selectors: readonly Selector[], day: number, issuedBefore: number | undefined): Change {
    this.#lacksKey = !this.#keys.has(day);
    if (this.#lacksKey) return { kind: "reset" };
    return { kind: "ended", selectors: selectorTexts(selectors, day), issuedBefore };
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
