import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { isGoodCaller } from "../contract/call.js";
import {
  type CallContext,
  type Credential,
  failure,
  type Outcome,
  type VerificationRequest,
  type Verifier,
} from "../contract/verifier.js";
import { limitedAddress } from "../util/client-address.js";
import type { Clock } from "../util/clock.js";
import { until } from "../util/timeouts.js";

// Decision 0007 says why it works like this.

/** A number of failures within a window. */
export interface Rate {
  readonly count: number;
  /** Milliseconds. */
  readonly window: number;
}

/** How many failed credentials are allowed; missing ones do not count. */
export interface FailureLimits {
  /** For one client id from one address, so that guessing a client's secret does not lock the client out elsewhere. */
  readonly perClient: Rate;
  /** From one address. */
  readonly perAddress: Rate;
}

/** Most names remembered; beyond it, the least recently used are forgotten. */
const MAX_NAMES = 100_000;

/** The failures of one name since the first of them. */
interface FailureWindow {
  count: number;
  readonly end: number;
  /** Time of the latest failure. */
  last: number;
}

/** The calls of one name whose outcome is unknown. */
interface PendingCalls {
  /** Calls that the core is deciding, each counted as if it were to fail. */
  open: number;
  /** Wakes calls that wait to be asked, in the order in which they came. */
  readonly waiting: Set<() => void>;
}

/**
 * Counts the failures of names, in a window that starts with the first failure. A pending call counts as if it were to fail,
 * so no more guesses are answered than the rate allows, however many come at once.
 */
class FailureCounter {
  readonly #rate: Rate;
  /** Bounded by `maxSize`, since lru-cache allocates the room for `max` entries at once. */
  readonly #windows = new LRUCache<string, FailureWindow>({ maxSize: MAX_NAMES, sizeCalculation: () => 1 });
  /** No more entries than there are calls. */
  readonly #pending = new Map<string, PendingCalls>();
  /** Time of the latest failure of any name. */
  #last = Number.NEGATIVE_INFINITY;

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Whether no name is active as {@link isActive} says. */
  isIdle(clock: Clock, millis: number): boolean {
    if (this.#pending.size > 0) return false;
    return this.#last === Number.NEGATIVE_INFINITY || clock() >= this.#last + millis;
  }

  /** Whether a call is pending, or a failure was counted within the last `millis`. */
  isActive(name: string, now: number, millis: number): boolean {
    if (this.#pending.has(name)) return true;
    const window = this.#windows.get(name);
    return window !== undefined && now < window.last + millis;
  }

  /** Milliseconds for which a name is locked out; 0 if it is not. */
  lockedFor(name: string, now: number): number {
    const window = this.#windows.get(name);
    return window !== undefined && window.count >= this.#rate.count ? Math.max(0, window.end - now) : 0;
  }

  /** Whether a further call may be asked: if it and all open ones failed, they would not exceed the rate. */
  hasRoom(name: string, now: number): boolean {
    const window = this.#windows.get(name);
    const failed = window === undefined || now >= window.end ? 0 : window.count;
    return failed + (this.#pending.get(name)?.open ?? 0) < this.#rate.count;
  }

  /** Counts a failure. */
  count(name: string, now: number): void {
    this.#last = now;
    const window = this.#windows.get(name);
    if (window === undefined || now >= window.end) {
      this.#windows.set(name, { count: 1, end: now + this.#rate.window, last: now });
    } else {
      window.count++;
      window.last = now;
    }
  }

  /** Starts a call that the core decides; {@link end} must follow. */
  start(name: string): void {
    this.#of(name).open++;
  }

  /** Ends a call, after its failure, if it was one, was counted. */
  end(name: string, now: number): void {
    this.#of(name).open--;
    this.wake(name, now);
    this.#tidy(name);
  }

  /** Waits until {@link wake} wakes this call, but not longer than `millis`. Returns whether it was woken. */
  async wait(name: string, millis: number): Promise<boolean> {
    const { waiting } = this.#of(name);
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    waiting.add(wake);
    await until(woken, millis);
    const isWoken = !waiting.delete(wake);
    this.#tidy(name);
    return isWoken;
  }

  /**
   * Wakes the first waiting call if it can be answered: because there is room for it, or because the name is locked out.
   * A call that was woken must call this in turn, after it took the room or found that it needs none.
   */
  wake(name: string, now: number): void {
    const waiting = this.#pending.get(name)?.waiting;
    const [first] = waiting ?? [];
    if (first === undefined || !(this.hasRoom(name, now) || this.lockedFor(name, now) > 0)) return;
    waiting?.delete(first);
    first();
  }

  #tidy(name: string): void {
    const pending = this.#pending.get(name);
    if (pending?.open === 0 && pending.waiting.size === 0) this.#pending.delete(name);
  }

  #of(name: string): PendingCalls {
    let pending = this.#pending.get(name);
    if (pending === undefined) {
      pending = { open: 0, waiting: new Set() };
      this.#pending.set(name, pending);
    }
    return pending;
  }
}

/** Identifies a credential without revealing it. */
function digestOf(credential: Credential): string {
  return credential.kind === "client"
    ? credential.clientSecret.digest(credential.clientId)
    : credential.secretKey.digest();
}

/** Most addresses remembered of one credential; beyond it, the first is forgotten. */
const MAX_ADDRESSES = 1000;

/** The addresses that a credential was good from. */
interface GoodPlaces {
  /** The address of the latest call, as its reader wrote it; empty if it may not be good any more. */
  latest: string;
  /** As limits count them. */
  readonly addresses: Set<string>;
}

/** Remembers {@link MAX_NAMES} pairs of a credential and an address that it was good from. */
class GoodCredentials {
  readonly #places = new LRUCache<string, GoodPlaces>({
    maxSize: MAX_NAMES,
    sizeCalculation: ({ addresses }) => addresses.size,
  });

  /** @param address as limits count it */
  has(credential: Credential, address: string): boolean {
    return this.#places.get(digestOf(credential))?.addresses.has(address) ?? false;
  }

  /** Costs no more than a look-up if the credential's latest call came from the same address. @param address any spelling */
  add(credential: Credential, address: string): void {
    const digest = digestOf(credential);
    const places = this.#places.get(digest);
    if (places?.latest === address) return;
    const addresses = places?.addresses ?? new Set();
    const before = addresses.size;
    addresses.add(limitedAddress(address));
    const [first = ""] = addresses.size > MAX_ADDRESSES ? addresses : [];
    addresses.delete(first);
    if (places !== undefined && addresses.size === before) places.latest = address;
    else this.#places.set(digest, { latest: address, addresses });
  }

  /** @param address as limits count it */
  delete(credential: Credential, address: string): void {
    const digest = digestOf(credential);
    const { addresses } = this.#places.get(digest) ?? {};
    if (!addresses?.delete(address)) return;
    if (addresses.size === 0) this.#places.delete(digest);
    else this.#places.set(digest, { latest: "", addresses });
  }
}

/** A credential used from one address. */
class Attempt {
  readonly credential: Credential;
  /** As limits count it. */
  readonly address: string;
  #client: string | undefined;

  constructor(credential: Credential, address: string) {
    this.credential = credential;
    this.address = address;
  }

  /**
   * Names the client id at this address; undefined for a credential without one. By 32 bytes, since callers choose the id,
   * of any length, and may send a secret in its place.
   */
  get client(): string | undefined {
    const { address, credential } = this;
    if (credential.kind !== "client") return undefined;
    this.#client ??= hash("sha256", JSON.stringify([address, credential.clientId]), "binary");
    return this.#client;
  }
}

/** The guess that all requests of one message with the same credential are. */
interface Guess {
  /** Requests whose outcome is pending; the first to start and the last to end count as one pending call. */
  open: number;
  /** Whether its failure was counted. */
  isCounted: boolean;
}

/**
 * The guesses of each message, by its context: a credential in a thousand requests of a batch is guessed once. A call of
 * one request has a context of its own. Kept only while a message lasts, and for credentials that fail or are pending.
 */
class Guesses {
  readonly #ofMessages = new WeakMap<CallContext, Map<string, Guess>>();

  /** The guess of a credential; undefined if there is none yet. */
  find(context: CallContext, credential: Credential): Guess | undefined {
    return this.#ofMessages.get(context)?.get(digestOf(credential));
  }

  /** The guess of a credential, a new one if there is none yet. */
  of(context: CallContext, credential: Credential): Guess {
    const guesses = this.#ofMessages.get(context) ?? new Map<string, Guess>();
    this.#ofMessages.set(context, guesses);
    const digest = digestOf(credential);
    const guess = guesses.get(digest) ?? { open: 0, isCounted: false };
    guesses.set(digest, guess);
    return guess;
  }
}

/** A counter, and the name that an attempt counts under. */
interface Counting {
  readonly counter: FailureCounter;
  readonly name: string;
}

/**
 * Wraps a verifier so that it answers RATE_LIMITED to an address, or to a client id at an address, with too many failed
 * credentials, before it looks at the credential. Calls that are pending count as failures; a call that exceeds the limits
 * only because of them waits for their outcome, until its deadline at most. Requests of one message (the same context) with
 * the same credential count once. A credential that was good from this address before always passes, so that callers behind
 * one address do not lock each other out. So do calls without a credential, and calls without an address (in process, or
 * over a Unix socket).
 */
export function limitCredentials(verifier: Verifier, limits: FailureLimits, clock: Clock): Verifier {
  const byClient = new FailureCounter(limits.perClient);
  const byAddress = new FailureCounter(limits.perAddress);
  const good = new GoodCredentials();
  const guesses = new Guesses();
  /** After this long without a failure, no name at an address is locked out. */
  const longest = Math.max(limits.perClient.window, limits.perAddress.window);

  const countingsOf = ({ client, address }: Attempt): readonly Counting[] => [
    ...(client === undefined ? [] : [{ counter: byClient, name: client }]),
    { counter: byAddress, name: address },
  ];

  function noteFailure(context: CallContext, credential: Credential): void {
    const guess = guesses.of(context, credential);
    if (guess.isCounted) return;
    guess.isCounted = true;
    const attempt = new Attempt(credential, limitedAddress(context.address));
    const now = clock();
    for (const { counter, name } of countingsOf(attempt)) counter.count(name, now);
    good.delete(attempt.credential, attempt.address);
  }

  function note(outcome: Outcome, context: CallContext, credential: Credential): Outcome {
    if (isGoodCaller(outcome)) good.add(credential, context.address);
    else if (outcome.kind === "failure" && outcome.reason === "CALLER_UNKNOWN") {
      noteFailure(context, credential);
    }
    return outcome;
  }

  async function notePending(pending: Promise<Outcome>, context: CallContext, attempt: Attempt): Promise<Outcome> {
    const countings = countingsOf(attempt);
    const guess = guesses.of(context, attempt.credential);
    if (guess.open++ === 0) for (const { counter, name } of countings) counter.start(name);
    try {
      return note(await pending, context, attempt.credential);
    } finally {
      if (--guess.open === 0) for (const { counter, name } of countings) counter.end(name, clock());
    }
  }

  function ask(request: VerificationRequest, context: CallContext, credential: Credential): Outcome | Promise<Outcome> {
    const outcome = verifier.verify(request, context);
    if (!(outcome instanceof Promise)) return note(outcome, context, credential);
    const attempt = new Attempt(credential, limitedAddress(context.address));
    return good.has(credential, attempt.address)
      ? outcome.then((late) => note(late, context, credential))
      : notePending(outcome, context, attempt);
  }

  /** Refuses the call, asks, or returns the counting that has no room for it. */
  function tryToAsk(
    request: VerificationRequest,
    context: CallContext,
    attempt: Attempt,
  ): Outcome | Promise<Outcome> | Counting {
    const { credential, address } = attempt;
    if (good.has(credential, address)) return ask(request, context, credential);
    const guess = guesses.find(context, credential);
    if (guess !== undefined && (guess.isCounted || guess.open > 0)) return ask(request, context, credential);
    const now = clock();
    const countings = countingsOf(attempt);
    const wait = Math.max(...countings.map(({ counter, name }) => counter.lockedFor(name, now)));
    if (wait > 0) return failure("RATE_LIMITED", wait);
    return countings.find(({ counter, name }) => !counter.hasRoom(name, now)) ?? ask(request, context, credential);
  }

  async function askInTurn(
    request: VerificationRequest,
    context: CallContext,
    attempt: Attempt,
    first: Counting,
  ): Promise<Outcome> {
    for (let full = first; ; ) {
      const { counter, name } = full;
      if (!(await counter.wait(name, context.deadline - clock()))) return failure("TIMED_OUT");
      const result = tryToAsk(request, context, attempt);
      counter.wake(name, clock());
      if (!("counter" in result)) return result;
      full = result;
    }
  }

  return {
    verify(request: VerificationRequest, context: CallContext) {
      const { credential } = request;
      const { address: from } = context;
      if (credential === undefined || from === "" || isMissing(credential)) return verifier.verify(request, context);
      // Without any failure, the common case, nothing else is looked up.
      if (byAddress.isIdle(clock, longest)) return ask(request, context, credential);
      const address = limitedAddress(from);
      if (!byAddress.isActive(address, clock(), longest)) return ask(request, context, credential);
      const attempt = new Attempt(credential, address);
      const result = tryToAsk(request, context, attempt);
      return "counter" in result ? askInTurn(request, context, attempt, result) : result;
    },
  };
}

/** Whether a credential is empty; the verifier answers that it is missing, and it does not count. */
function isMissing(credential: Credential): boolean {
  if (credential.kind === "instance") return credential.secretKey.isEmpty;
  return credential.clientId === "" || credential.clientSecret.isEmpty;
}
