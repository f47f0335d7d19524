import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { limitedAddress } from "../contract/address.js";
import {
  type CallContext,
  type Clock,
  type Credential,
  failure,
  isGoodCaller,
  type Outcome,
  type VerificationRequest,
  type Verifier,
} from "../contract/verifier.js";

/** So many failures within so long. */
export interface Rate {
  readonly count: number;
  /** Milliseconds. */
  readonly window: number;
}

/** How many failed credentials are borne; missing ones do not count. */
export interface FailureLimits {
  /** By one client id from one address: whoever guesses a client's secret does not lock the client out elsewhere. */
  readonly perClient: Rate;
  /** From one address. */
  readonly perAddress: Rate;
}

/** How many addresses, clients and good credentials are remembered; of more, those that were used longest ago are forgotten. */
const REMEMBERED = 100_000;

/** The failures of one name. */
interface Window {
  count: number;
  readonly end: number;
  /** When the last of them was. */
  last: number;
}

/** Counts failures by name, each within a window that starts with its first. */
class Failures {
  readonly #rate: Rate;
  readonly #windows = new LRUCache<string, Window>({ max: REMEMBERED });

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Whether the last failure, of this window or one before, is no longer ago than so many milliseconds. */
  any(name: string, now: number, within: number): boolean {
    const window = this.#windows.get(name);
    return window !== undefined && now < window.last + within;
  }

  /** Milliseconds until this name may try again; 0 where it may. */
  wait(name: string, now: number): number {
    const window = this.#windows.get(name);
    return window !== undefined && window.count >= this.#rate.count ? Math.max(0, window.end - now) : 0;
  }

  add(name: string, now: number): void {
    const window = this.#windows.get(name);
    if (window === undefined || now >= window.end) {
      this.#windows.set(name, { count: 1, end: now + this.#rate.window, last: now });
    } else {
      window.count++;
      window.last = now;
    }
  }
}

/** A name of 32 bytes for texts of any length and content: what a stranger sends must not be held as it is. */
function digest(...texts: readonly string[]): string {
  return hash("sha256", JSON.stringify(texts), "binary");
}

/** A credential as one address uses it. */
function credentialName(address: string, credential: Credential): string {
  return credential.kind === "client"
    ? digest(address, credential.clientId, credential.clientSecret.reveal())
    : digest(address, credential.secretKey.reveal());
}

/**
 * A verifier that answers RATE_LIMITED to an address that failed too often to say who it is. It stands before the
 * question is looked at, so that a guess that is refused costs nothing and tells nothing. A credential that was good from
 * this very address before passes: a rightful caller is not locked out by its neighbours. Calls
 * without a credential, or without an address (in process, a socket file), pass.
 */
export function limitFailures(verifier: Verifier, limits: FailureLimits, clock: Clock): Verifier {
  const byClient = new Failures(limits.perClient);
  const byAddress = new Failures(limits.perAddress);
  const good = new LRUCache<string, true>({ max: REMEMBERED });

  function note(outcome: Outcome, credential: Credential, address: string): Outcome {
    const now = clock();
    if (outcome.kind === "failure" && outcome.reason === "CALLER_UNKNOWN") {
      if (credential.kind === "client") byClient.add(digest(address, credential.clientId), now);
      byAddress.add(address, now);
      good.delete(credentialName(address, credential));
    } else if (isGoodCaller(outcome)) {
      good.set(credentialName(address, credential), true);
    }
    return outcome;
  }

  function waitOf(credential: Credential, address: string, now: number): number {
    const client =
      credential.kind === "client" && byAddress.any(address, now, limits.perClient.window)
        ? digest(address, credential.clientId)
        : undefined;
    return Math.max(byAddress.wait(address, now), client === undefined ? 0 : byClient.wait(client, now));
  }

  return {
    verify(request: VerificationRequest, context: CallContext) {
      const { credential } = request;
      if (credential === undefined || isMissing(credential)) return verifier.verify(request, context);
      const address = limitedAddress(context.address);
      if (address === "") return verifier.verify(request, context);
      const wait = waitOf(credential, address, clock());
      if (wait > 0 && !good.has(credentialName(address, credential))) return failure("RATE_LIMITED", wait);
      const outcome = verifier.verify(request, context);
      return outcome instanceof Promise
        ? outcome.then((late) => note(late, credential, address))
        : note(outcome, credential, address);
    },
  };
}

/** Whether a credential says nothing: it counts as little as one that was not sent, and is told that it is missing. */
function isMissing(credential: Credential): boolean {
  if (credential.kind === "instance") return credential.secretKey.isEmpty;
  return credential.clientId === "" || credential.clientSecret.isEmpty;
}
