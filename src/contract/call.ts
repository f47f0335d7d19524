import type { AddressReader } from "../util/client-address.js";
import type { Clock } from "../util/clock.js";
import { until } from "../util/timeouts.js";
import { randomUuid } from "../util/uuid.js";
import type { WorkloadNames } from "../util/workload-names.js";
import type { FailureReason } from "./failures.js";
import {
  type CallContext,
  type Credential,
  failure,
  type Outcome,
  type VerificationRequest,
  type Verifier,
} from "./verifier.js";

/** One call of any transport: a gRPC method, a message of a stream, a vendor's face, Connect JSON. */
export interface Call extends CallContext {
  /** The gRPC method, the vendor's face, or `http/` and the method; `unknown` for a path that serves nothing. */
  readonly via: string;
  /** When it arrived, in milliseconds since 1970. */
  readonly started: number;
  /** The names in the client certificate of the caller's connection; undefined without one. */
  readonly workload: WorkloadNames | undefined;
  /** True once the caller has gone and takes no answer. */
  readonly cancelled: boolean;
}

/** 1 to 128 printable ASCII characters without spaces at the ends. */
const REQUEST_ID = /^[!-~](?:[ -~]{0,126}[!-~])?$/;

/** The request id that a caller sent if it has 1 to 128 printable ASCII characters; otherwise a random UUID. */
export function acceptRequestId(sent: unknown): string {
  return typeof sent === "string" && REQUEST_ID.test(sent) ? sent : randomUuid();
}

/** The result of a call; undefined if it was answered without the verifier, `preflight` for a browser's CORS preflight. */
export type CallOutcome = Outcome | "preflight" | undefined;

/** The authenticated caller of a call. */
export interface KnownCaller {
  /** The credential; undefined if there was none, or if the outcome does not show that it is good. */
  readonly credential: Credential | undefined;
  /** The names in the client certificate of the connection; undefined without one. */
  readonly workload: WorkloadNames | undefined;
}

/** The authenticated caller of a request, judged by its outcome. */
export function knownCaller({ credential, workload }: Asking, outcome: Outcome): KnownCaller {
  return { credential: isGoodCaller(outcome) ? credential : undefined, workload };
}

type Asking = Pick<VerificationRequest, "credential" | "workload">;

/** Whether an outcome shows that the credential is good: a verdict, or a failure that only a known caller gets. */
export function isGoodCaller(outcome: Outcome): boolean {
  return outcome.kind !== "failure" || NEEDS_GOOD_CALLER[outcome.reason];
}

/** The failures that only an authenticated caller gets. */
const NEEDS_GOOD_CALLER: Readonly<Record<FailureReason, boolean>> = {
  TOKEN_EMPTY: true,
  EXPLAIN_DENIED: true,
  KEYS_UNAVAILABLE: true,
  TOO_MANY_KEYS: true,
  KEY_REFUSED: true,
  TOO_MANY_PROOFS: true,
  WATCH_DENIED: true,
  REALM_UNKNOWN: false,
  CREDENTIAL_REFUSED: false,
  CALLER_MISSING: false,
  CALLER_UNKNOWN: false,
  CALLER_DENIED: false,
  RATE_LIMITED: false,
  BATCH_TOO_LARGE: false,
  TOO_MANY_CALLERS: false,
  ID_TOO_LONG: false,
  TOO_MANY_STREAMS: false,
  TOO_MANY_WATCHES: false,
  WATCH_NOT_OPENED: false,
  // These may concern the caller's own entry in the directory.
  DIRECTORY_UNAVAILABLE: false,
  NO_VERDICT: false,
  TIMED_OUT: false,
  SHUTTING_DOWN: false,
  VERIFIER_UNAVAILABLE: false,
  INTERNAL: false,
};

/** A call that has ended; of a batch, one of its distinct requests. */
export interface FinishedCall {
  readonly call: Call;
  /** The realm as the caller named it, which may not exist; empty if none was asked. */
  readonly realm: string;
  readonly outcome: CallOutcome;
  /** Who asked; undefined if the verifier was not asked. */
  readonly caller: KnownCaller | undefined;
  /** How many identical requests of a batch were answered; 1 outside batches. */
  readonly items: number;
  /** Milliseconds from the call's arrival to its outcome. */
  readonly millis: number;
  /** The HTTP status; undefined over gRPC. */
  readonly status?: number;
}

/** Observes calls; logs and metrics are observers. {@link harmless} drops what a method throws. */
export interface CallObserver {
  /** A call has ended. */
  ended(finished: FinishedCall): void;
  /** Something threw against its contract, and the caller got INTERNAL. */
  fault(call: Call, error: unknown): void;
}

/** Wraps an observer so that an error in it cannot fail a call. */
export function harmless(observer: CallObserver): CallObserver {
  return {
    ended: (finished) => {
      try {
        observer.ended(finished);
      } catch {
        // The log itself may be what fails, so there is nothing to report this to.
      }
    },
    fault: (call, error) => {
      try {
        observer.fault(call, error);
      } catch {
        // As above.
      }
    },
  };
}

/** What a transport needs to answer calls. */
export interface CallService {
  readonly verifier: Verifier;
  readonly clock: Clock;
  readonly observer: CallObserver;
  /** Finds a call's address by its peer and `X-Forwarded-For`. */
  readonly addressOf: AddressReader;
}

type Asked = Pick<CallService, "verifier" | "clock" | "observer">;

const INTERNAL = failure("INTERNAL");
const TIMED_OUT = failure("TIMED_OUT");

/**
 * Asks the verifier, and waits for it until the call's deadline; the outcome is then TIMED_OUT. An error that the
 * verifier throws against its contract goes to the observer and becomes INTERNAL.
 *
 * Returns the outcome itself, not a promise, if the verifier does.
 */
export function ask(service: Asked, request: VerificationRequest, call: Call): Outcome | Promise<Outcome> {
  try {
    const outcome = service.verifier.verify(request, call);
    return outcome instanceof Promise ? inTime(service, outcome, call) : outcome;
  } catch (error) {
    service.observer.fault(call, error);
    return INTERNAL;
  }
}

async function inTime({ clock, observer }: Asked, outcome: Promise<Outcome>, call: Call): Promise<Outcome> {
  let known: Outcome = TIMED_OUT;
  const settled = outcome.then(
    (late) => {
      known = late;
    },
    (error: unknown) => {
      observer.fault(call, error);
      known = INTERNAL;
    },
  );
  await until(settled, call.deadline - clock());
  return known;
}
