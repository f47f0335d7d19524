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
import { FailureCounter, MAX_NAMES, type Rate } from "./failure-counter.js";

// Decision 0007 says why it works like this.

/** How many failed credentials are allowed; missing ones do not count. */
export interface FailureLimits {
  /** For one client id from one address, so that guessing a client's secret does not lock the client out elsewhere. */
  readonly perClient: Rate;
  /** From one address. */
  readonly perAddress: Rate;
}

/** A name that has too many failed credentials. */
export interface LockOut {
  /** Whether it is an address, or a client id at an address. */
  readonly kind: "address" | "client";
  /** The name, as {@link SharedFailures.counted} gives it. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** Where several processes count failures together. */
export interface SharedFailures {
  /** Called after a failure was counted. @param client undefined for a credential without a client id */
  counted(address: string, client: string | undefined): void;
  /** Called once with what locks a name out in this process. */
  connect(lockOut: (lockOut: LockOut) => void): void;
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
 *
 * @param shared counts failures of several processes together; default: each counts its own
 */
export function limitCredentials(
  verifier: Verifier,
  limits: FailureLimits,
  clock: Clock,
  shared?: SharedFailures,
): Verifier {
  const byClient = new FailureCounter(limits.perClient);
  const byAddress = new FailureCounter(limits.perAddress);
  const good = new GoodCredentials();
  const guesses = new Guesses();
  shared?.connect(({ kind, name, until }) => (kind === "client" ? byClient : byAddress).lockOut(name, until, clock()));
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
    shared?.counted(attempt.address, attempt.client);
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
