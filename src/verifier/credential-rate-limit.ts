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

/** A memory for names. Bounded by `maxSize`, since lru-cache allocates the room for `max` entries at once. */
function memoryOfNames<T extends object | true>(): LRUCache<string, T> {
  return new LRUCache<string, T>({ maxSize: MAX_NAMES, sizeCalculation: () => 1 });
}

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
  readonly #windows = memoryOfNames<FailureWindow>();
  /** No more entries than there are calls. */
  readonly #pending = new Map<string, PendingCalls>();

  constructor(rate: Rate) {
    this.#rate = rate;
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

/** Identifies texts of any length by 32 bytes, since callers choose them and they may be secret. */
function digest(...texts: readonly string[]): string {
  return hash("sha256", JSON.stringify(texts), "binary");
}

/** A credential used from one address. Its names are computed when needed; most calls need neither. */
class Attempt {
  readonly address: string;
  readonly #credential: Credential;
  #name: string | undefined;
  #client: string | undefined;

  constructor(address: string, credential: Credential) {
    this.address = address;
    this.#credential = credential;
  }

  /** Names this very credential at this address. */
  get name(): string {
    const { address } = this;
    const credential = this.#credential;
    this.#name ??=
      credential.kind === "client"
        ? digest(address, credential.clientId, credential.clientSecret.reveal())
        : digest(address, credential.secretKey.reveal());
    return this.#name;
  }

  /** Names the client id at this address; undefined for a credential without one. */
  get client(): string | undefined {
    if (this.#credential.kind === "client") this.#client ??= digest(this.address, this.#credential.clientId);
    return this.#client;
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
 * only because of them waits for their outcome, until its deadline at most. A credential that was good from this address
 * before always passes, so that callers behind one address do not lock each other out. So do calls without a credential,
 * and calls without an address (in process, or over a Unix socket).
 */
export function limitCredentials(verifier: Verifier, limits: FailureLimits, clock: Clock): Verifier {
  const byClient = new FailureCounter(limits.perClient);
  const byAddress = new FailureCounter(limits.perAddress);
  const good = memoryOfNames<true>();
  /** After this long without a failure, no name at an address is locked out. */
  const longest = Math.max(limits.perClient.window, limits.perAddress.window);

  const countingsOf = ({ client, address }: Attempt): readonly Counting[] => [
    ...(client === undefined ? [] : [{ counter: byClient, name: client }]),
    { counter: byAddress, name: address },
  ];

  function note(outcome: Outcome, attempt: Attempt): Outcome {
    if (outcome.kind === "failure" && outcome.reason === "CALLER_UNKNOWN") {
      const now = clock();
      for (const { counter, name } of countingsOf(attempt)) counter.count(name, now);
      good.delete(attempt.name);
    } else if (isGoodCaller(outcome)) {
      good.set(attempt.name, true);
    }
    return outcome;
  }

  async function notePending(pending: Promise<Outcome>, attempt: Attempt): Promise<Outcome> {
    const countings = countingsOf(attempt);
    for (const { counter, name } of countings) counter.start(name);
    try {
      return note(await pending, attempt);
    } finally {
      for (const { counter, name } of countings) counter.end(name, clock());
    }
  }

  function ask(request: VerificationRequest, context: CallContext, attempt: Attempt): Outcome | Promise<Outcome> {
    const outcome = verifier.verify(request, context);
    if (!(outcome instanceof Promise)) return note(outcome, attempt);
    return good.has(attempt.name) ? outcome.then((late) => note(late, attempt)) : notePending(outcome, attempt);
  }

  /** Refuses the call, asks, or returns the counting that has no room for it. */
  function tryToAsk(
    request: VerificationRequest,
    context: CallContext,
    attempt: Attempt,
  ): Outcome | Promise<Outcome> | Counting {
    if (good.has(attempt.name)) return ask(request, context, attempt);
    const now = clock();
    const countings = countingsOf(attempt);
    const wait = Math.max(...countings.map(({ counter, name }) => counter.lockedFor(name, now)));
    if (wait > 0) return failure("RATE_LIMITED", wait);
    return countings.find(({ counter, name }) => !counter.hasRoom(name, now)) ?? ask(request, context, attempt);
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
      if (credential === undefined || isMissing(credential)) return verifier.verify(request, context);
      const address = limitedAddress(context.address);
      if (address === "") return verifier.verify(request, context);
      const attempt = new Attempt(address, credential);
      if (!byAddress.isActive(address, clock(), longest)) return ask(request, context, attempt);
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
