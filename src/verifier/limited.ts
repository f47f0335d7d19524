import { LRUCache } from "lru-cache";
import {
  type CallContext,
  type Clock,
  failure,
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

/** No client has an id of more characters (the directory takes none). */
const LONGEST_ID = 255;

/** How many addresses and clients are remembered; of more, those that failed longest ago are forgotten. */
const REMEMBERED = 100_000;

/** Counts failures by name, each within a window that starts with its first. */
class Failures {
  readonly #rate: Rate;
  readonly #windows = new LRUCache<string, { count: number; readonly end: number }>({ max: REMEMBERED });

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Milliseconds until this name may try again; 0 where it may. */
  wait(name: string, now: number): number {
    const window = this.#windows.get(name);
    return window !== undefined && window.count >= this.#rate.count ? Math.max(0, window.end - now) : 0;
  }

  add(name: string, now: number): void {
    const window = this.#windows.get(name);
    if (window !== undefined && now < window.end) window.count++;
    else this.#windows.set(name, { count: 1, end: now + this.#rate.window });
  }
}

/**
 * A verifier that answers RATE_LIMITED to an address that failed too often to say who it is. It stands before the
 * question is looked at, so that a guess that is refused costs nothing and tells nothing. Calls without a credential,
 * or without an address (in process, a socket file), pass.
 */
export function limitFailures(verifier: Verifier, limits: FailureLimits, clock: Clock): Verifier {
  const byClient = new Failures(limits.perClient);
  const byAddress = new Failures(limits.perAddress);

  /**
   * A client id as one address tries it: an address holds no white space, so no two pairs share a name. An id may be as
   * long as a message: those that are too long for any client are one, lest they fill the memory.
   */
  function clientName({ credential }: VerificationRequest, address: string): string | undefined {
    if (credential?.kind !== "client") return undefined;
    const { clientId } = credential;
    return `${address} ${clientId.length > LONGEST_ID ? "" : clientId}`;
  }

  function noted(outcome: Outcome, request: VerificationRequest, address: string): Outcome {
    if (outcome.kind === "failure" && outcome.reason === "CALLER_UNKNOWN") {
      const now = clock();
      const client = clientName(request, address);
      if (client !== undefined) byClient.add(client, now);
      byAddress.add(address, now);
    }
    return outcome;
  }

  return {
    verify(request: VerificationRequest, context: CallContext) {
      if (request.credential === undefined) return verifier.verify(request, context);
      const { address } = context;
      if (address === "") return verifier.verify(request, context);
      const now = clock();
      const client = clientName(request, address);
      const wait = Math.max(byAddress.wait(address, now), client === undefined ? 0 : byClient.wait(client, now));
      if (wait > 0) return failure("RATE_LIMITED", wait);
      const outcome = verifier.verify(request, context);
      return outcome instanceof Promise
        ? outcome.then((late) => noted(late, request, address))
        : noted(outcome, request, address);
    },
  };
}
