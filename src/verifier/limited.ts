import { hash } from "node:crypto";
import {
  type CallContext,
  type Credential,
  failure,
  isGoodCaller,
  type Outcome,
  type VerificationRequest,
  type Verifier,
} from "../contract/verifier.js";
import { limitedAddress } from "../util/client-address.js";
import type { Clock } from "../util/clock.js";
import { Failures, memoryOfNames, type Rate } from "./failures.js";

/** How many failed credentials are borne; missing ones do not count. */
export interface FailureLimits {
  /** By one client id from one address: whoever guesses a client's secret does not lock the client out elsewhere. */
  readonly perClient: Rate;
  /** From one address. */
  readonly perAddress: Rate;
}

/** A name of 32 bytes for texts of any length and content: what a stranger sends must not be held as it is. */
function digest(...texts: readonly string[]): string {
  return hash("sha256", JSON.stringify(texts), "binary");
}

/** A credential as one address uses it: what it is counted and remembered by. Most calls need none of the names. */
class Attempt {
  readonly address: string;
  readonly #credential: Credential;
  #name: string | undefined;
  #client: string | undefined;

  constructor(address: string, credential: Credential) {
    this.address = address;
    this.#credential = credential;
  }

  /** The very credential at this address. */
  get name(): string {
    const { address } = this;
    const credential = this.#credential;
    this.#name ??=
      credential.kind === "client"
        ? digest(address, credential.clientId, credential.clientSecret.reveal())
        : digest(address, credential.secretKey.reveal());
    return this.#name;
  }

  /** The client id at this address; undefined where none is named. */
  get client(): string | undefined {
    if (this.#credential.kind === "client") this.#client ??= digest(this.address, this.#credential.clientId);
    return this.#client;
  }
}

/**
 * A verifier that answers RATE_LIMITED to an address that failed too often to say who it is. It stands before the
 * question is looked at, so that a guess that is refused costs nothing and tells nothing. Calls whose answer is awaited
 * count as if they had failed: a further one waits until so many are answered that it may still fail, too. A credential
 * that was good from this very address before passes: a rightful caller is not locked out by its neighbours. Calls
 * without a credential, or without an address (in process, a socket file), pass.
 */
export function limitFailures(verifier: Verifier, limits: FailureLimits, clock: Clock): Verifier {
  const byClient = new Failures(limits.perClient);
  const byAddress = new Failures(limits.perAddress);
  const good = memoryOfNames<true>();
  /** For so long after a failure from an address it, or a client there, may be shut out. */
  const longest = Math.max(limits.perClient.window, limits.perAddress.window);

  /** What an attempt counts for, in the order in which its places are taken. */
  const countsOf = ({ client, address }: Attempt): readonly (readonly [Failures, string])[] => [
    ...(client === undefined ? [] : [[byClient, client] as const]),
    [byAddress, address],
  ];

  function note(outcome: Outcome, attempt: Attempt): Outcome {
    if (outcome.kind === "failure" && outcome.reason === "CALLER_UNKNOWN") {
      const now = clock();
      for (const [failures, name] of countsOf(attempt)) failures.add(name, now);
      good.delete(attempt.name);
    } else if (isGoodCaller(outcome)) {
      good.set(attempt.name, true);
    }
    return outcome;
  }

  /** Awaits an answer in the places that were taken for it. */
  async function inPlace(answer: Promise<Outcome>, attempt: Attempt): Promise<Outcome> {
    try {
      return note(await answer, attempt);
    } finally {
      leave(countsOf(attempt));
    }
  }

  function leave(places: ReturnType<typeof countsOf>): void {
    for (const [failures, name] of places) failures.leave(name, clock());
  }

  function ask(request: VerificationRequest, context: CallContext, attempt: Attempt): Outcome | Promise<Outcome> {
    const outcome = verifier.verify(request, context);
    if (!(outcome instanceof Promise)) return note(outcome, attempt);
    if (good.has(attempt.name)) return outcome.then((late) => note(late, attempt));
    for (const [failures, name] of countsOf(attempt)) failures.take(name);
    return inPlace(outcome, attempt);
  }

  /** Asks as soon as there are places for all that it counts for. */
  async function askInTurn(request: VerificationRequest, context: CallContext, attempt: Attempt): Promise<Outcome> {
    const taken: (readonly [Failures, string])[] = [];
    for (const place of countsOf(attempt)) {
      const now = clock();
      const wait = await place[0].turn(place[1], now, context.deadline - now);
      if (wait === 0) taken.push(place);
      const isGood = good.has(attempt.name);
      if (wait !== 0 || isGood) leave(taken);
      if (isGood) return ask(request, context, attempt);
      if (wait !== 0) return wait === undefined ? failure("TIMED_OUT") : failure("RATE_LIMITED", wait);
    }
    return inPlace(Promise.resolve(verifier.verify(request, context)), attempt);
  }

  return {
    verify(request: VerificationRequest, context: CallContext) {
      const { credential } = request;
      if (credential === undefined || isMissing(credential)) return verifier.verify(request, context);
      const address = limitedAddress(context.address);
      if (address === "") return verifier.verify(request, context);
      const attempt = new Attempt(address, credential);
      const now = clock();
      if (!byAddress.any(address, now, longest)) return ask(request, context, attempt);
      if (good.has(attempt.name)) return ask(request, context, attempt);
      const counts = countsOf(attempt);
      const wait = Math.max(...counts.map(([failures, name]) => failures.wait(name, now)));
      if (wait > 0) return failure("RATE_LIMITED", wait);
      return counts.every(([failures, name]) => failures.hasPlace(name, now))
        ? ask(request, context, attempt)
        : askInTurn(request, context, attempt);
    },
  };
}

/** Whether a credential says nothing: it counts as little as one that was not sent, and is told that it is missing. */
function isMissing(credential: Credential): boolean {
  if (credential.kind === "instance") return credential.secretKey.isEmpty;
  return credential.clientId === "" || credential.clientSecret.isEmpty;
}
