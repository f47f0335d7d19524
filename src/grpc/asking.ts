import { failure, type Outcome, type VerificationRequest, type Verifier } from "../contract/verifier.js";
import type { ServiceLimits } from "../net/http2/limits.js";
import type { AddressReader } from "../util/client-address.js";
import type { Clock } from "../util/clock.js";
import type { Call } from "./call.js";
import type { CallObserver, Rpc } from "./observer.js";

/** What the handlers need from outside. */
export interface Verification {
  readonly verifier: Verifier;
  readonly clock: Clock;
  readonly observer: CallObserver;
  /** Where a call came from (default: from its peer, whatever that says). */
  readonly addressOf?: AddressReader;
}

/** What the handlers work with. */
export interface Environment extends Verification {
  readonly limits: ServiceLimits;
  readonly addressOf: AddressReader;
}

/** Asks the verifier. What it throws against its own contract is told and becomes INTERNAL. */
export function ask(env: Environment, rpc: Rpc, request: VerificationRequest, call: Call): Outcome | Promise<Outcome> {
  const fault = (error: unknown): Outcome => {
    env.observer.fault(rpc, call, error);
    return failure("INTERNAL");
  };
  try {
    const outcome = env.verifier.verify(request, call);
    return outcome instanceof Promise ? outcome.catch(fault) : outcome;
  } catch (error) {
    return fault(error);
  }
}
