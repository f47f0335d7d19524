import { setMaxListeners } from "node:events";
import { isIP } from "node:net";
import type { MethodDefinition } from "@grpc/grpc-js";
import { TokenVerifierService, type VerifyTokenResponse } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { FailureReason } from "../contract/failures.js";
import { type Failure, failure, type Verifier } from "../contract/verifier.js";
import type { Clock } from "../util/clock.js";
import { runAfter } from "../util/timeouts.js";
import { outcomeFromWire, requestToWire } from "../wire/messages.js";
import {
  type Attempt,
  type Channel,
  type ChannelCall,
  type ChannelTls,
  isFailure,
  isUnreachable,
  openChannel,
} from "./channel.js";
import { connectionCause } from "./connection-problem.js";

/**
 * State of a service, as its last health check found it: `unknown` before the first; `not serving` while it starts, drains, or
 * gives no verdicts; `silent` if it did not answer in time; `unreachable` if no connection could be opened.
 */
export type UpstreamState = "unknown" | "serving" | "not serving" | "silent" | "unreachable";

/** From best to worst: calls go to the services of the best state. One that is not serving still answers. */
const STATES: readonly UpstreamState[] = ["serving", "unknown", "not serving", "silent", "unreachable"];

/** A service of a pool. */
export interface UpstreamStatus {
  /** As it was given. */
  readonly address: string;
  readonly state: UpstreamState;
  /** Cause of the state, for people; empty if it is serving. */
  readonly why: string;
  /** Calls since the start: those that it answered, and those that were lost or found no connection. */
  readonly answered: number;
  readonly lost: number;
}

/** How a pool connects. */
export interface PoolOptions {
  readonly tls: ChannelTls | undefined;
  readonly clock: Clock;
  /** Called when a service's state has changed. */
  readonly onChange?: (status: UpstreamStatus) => void;
  /** Milliseconds between a health check's end and the next one (default 500), and until one counts as unanswered (1000). */
  readonly checks?: { readonly pause: number; readonly timeout: number };
}

/** A {@link Verifier} that asks several services of which each can answer. */
export interface VerifierPool extends Verifier {
  /** The services, in the order in which they were given. */
  status(): readonly UpstreamStatus[];
  /** Calls that were made a second time. */
  readonly repeated: number;
  /** Replaces the TLS material of connections that are opened from now on. @throws OpenSSL's error, and changes nothing */
  renewTls(tls: ChannelTls): void;
  /** Closes the connections. Open calls finish; later ones fail. */
  close(): void;
}

const CHECKS = { pause: 500, timeout: 1000 };

/** Longest pause between two attempts to connect, in milliseconds. */
const RECONNECT = 1000;

/** grpc.health.v1.Health/Check for the service as a whole: an empty request, and its status in field 1 (1 is SERVING). */
const HEALTH_CHECK: MethodDefinition<undefined, number> = {
  path: "/grpc.health.v1.Health/Check",
  requestStream: false,
  responseStream: false,
  requestSerialize: () => Buffer.alloc(0),
  requestDeserialize: () => undefined,
  responseSerialize: (status) => Buffer.from([0x08, status]),
  responseDeserialize: (bytes) => (bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0),
};
const SERVING = 1;

/** A call that was given up because its service fell silent. */
const LOST: Attempt<never> = { answer: failure("VERIFIER_UNAVAILABLE"), isLost: true };

/** One service of the pool, with the health check that repeats itself. */
class Upstream {
  readonly address: string;
  state: UpstreamState = "unknown";
  why = "it has not answered yet";
  answered = 0;
  lost = 0;
  readonly #options: PoolOptions;
  #channel: Channel;
  /** Aborts the calls that wait for a silent service. */
  #silence = newSilence();
  #cancelCheck = (): void => {};
  #isClosed = false;

  constructor(address: string, options: PoolOptions) {
    this.address = address;
    this.#options = options;
    this.#channel = this.#open(options.tls);
    void this.#check();
  }

  get status(): UpstreamStatus {
    const { address, state, why, answered, lost } = this;
    return { address, state, why, answered, lost };
  }

  /** Makes a channel with other TLS material; call {@link use} with it. */
  #open(tls: ChannelTls | undefined): Channel {
    return openChannel(target(this.address), { tls, reconnect: RECONNECT });
  }

  /** Opens a channel with other TLS material. @returns puts it to use */
  renewed(tls: ChannelTls): () => void {
    const next = this.#open(tls);
    return () => {
      this.#channel.close();
      this.#channel = next;
    };
  }

  /** Makes a call once. A service that is lost or silent is told from others at once, without the next health check. */
  async attempt<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    call: ChannelCall,
  ): Promise<Attempt<Response>> {
    let attempt: Attempt<Response>;
    try {
      attempt = await this.#channel.attempt(method, request, { ...call, signal: this.#silence.signal });
    } catch {
      attempt = LOST;
    }
    const { answer, isLost } = attempt;
    if (isFailure(answer) && isUnreachable(answer)) this.#become("unreachable", connectionCause(answer.problem));
    else if (isFailure(answer) && answer.reason === "SHUTTING_DOWN") this.#become("not serving", "it is shutting down");
    if (isLost || (isFailure(answer) && answer.reason === "VERIFIER_UNAVAILABLE")) this.lost++;
    else this.answered++;
    return attempt;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelCheck();
    this.#channel.close();
  }

  async #check(): Promise<void> {
    const { clock, checks = CHECKS } = this.#options;
    const deadline = clock() + checks.timeout;
    const ask = () => this.#channel.attempt(HEALTH_CHECK, undefined, { deadline, requestId: "health" });
    const first = await ask();
    // A connection that has reached its age is closed in good order.
    const { answer, isLost } = first.isLost ? await ask() : first;
    if (this.#isClosed) return;
    const [state, why] = isLost ? LOST_STATE : stateOf(answer);
    this.#become(state, why);
    this.#cancelCheck = runAfter(checks.pause, () => void this.#check());
  }

  #become(state: UpstreamState, why: string): void {
    const { state: before } = this;
    this.state = state;
    this.why = why;
    if (state === before || this.#isClosed) return;
    if (state === "silent") {
      this.#silence.abort();
      this.#silence = newSilence();
    }
    this.#options.onChange?.(this.status);
  }
}

function newSilence(): AbortController {
  const silence = new AbortController();
  // Every open call listens to it.
  setMaxListeners(0, silence.signal);
  return silence;
}

type Found = readonly [state: UpstreamState, why: string];

const LOST_STATE: Found = ["unreachable", "its connection is lost"];

function stateOf(answer: number | Failure): Found {
  if (!isFailure(answer)) {
    return answer === SERVING ? ["serving", ""] : ["not serving", "its health check says so"];
  }
  if (isUnreachable(answer)) return ["unreachable", connectionCause(answer.problem)];
  if (answer.reason === "TIMED_OUT") return ["silent", "it does not answer its health check"];
  // What answers is no service of ours, or a proxy that does not pass on health checks.
  if (answer.reason === "INTERNAL") return ["serving", ""];
  return ["not serving", "its health check fails"];
}

/** A name stands for all of its addresses, in turn. */
function target(address: string): string {
  const [, host = ""] = /^([A-Za-z0-9.-]+):\d+$/.exec(address) ?? [];
  return host === "" || isIP(host) !== 0 ? address : `dns:///${address}`;
}

/**
 * Makes a {@link VerifierPool}. It passes on each call's request id, client address and deadline. Calls go to the services that
 * are serving, in turn; each is asked twice a second whether it is. A call is made once more, at another service if there is
 * one, if it found no connection or the service shuts down or cannot read its directory, and also if its connection was lost or
 * its service fell silent, unless it has a proof: the service may have seen that.
 *
 * @param addresses each `host:port` or `unix:/path`
 * @throws OpenSSL's error if certificate, key or authority is malformed or does not fit
 */
export function openPool(addresses: readonly string[], options: PoolOptions): VerifierPool {
  const upstreams = addresses.map((address) => new Upstream(address, options));
  let turn = 0;
  let repeated = 0;
  const choose = (except?: Upstream): Upstream => {
    const others = upstreams.length > 1 ? upstreams.filter((one) => one !== except) : upstreams;
    const state = STATES.find((one) => others.some((other) => other.state === one));
    const best = others.filter((one) => one.state === state);
    turn++;
    return best[turn % best.length] as Upstream;
  };
  return {
    async verify(request, call) {
      const message = requestToWire(request);
      const options = { deadline: call.deadline, requestId: call.requestId, address: call.address };
      const ask = (upstream: Upstream): Promise<Attempt<VerifyTokenResponse>> =>
        upstream.attempt(TokenVerifierService.verifyToken, message, options);
      const first = choose();
      const attempt = await ask(first);
      let { answer } = attempt;
      if (isSafeToRepeat(attempt, request.proof !== undefined)) {
        const second = choose(first);
        if (second !== first || attempt.isLost) {
          repeated++;
          ({ answer } = await ask(second));
        }
      }
      return isFailure(answer) ? answer : outcomeFromWire(answer);
    },
    status: () => upstreams.map(({ status }) => status),
    get repeated() {
      return repeated;
    },
    renewTls: (tls) => {
      const renewals = upstreams.map((one) => one.renewed(tls));
      for (const renew of renewals) renew();
    },
    close: () => {
      for (const one of upstreams) one.close();
    },
  };
}

/** Failures after which the service has not used the call's proof, and another service may have an answer. */
const NOT_TAKEN: ReadonlySet<FailureReason> = new Set(["SHUTTING_DOWN", "DIRECTORY_UNAVAILABLE"]);

/** grpc-js's text for a call that found no connection; any other may have been sent. */
const NEVER_SENT = /^(?:round_robin: )?No connection established/;

/** Whether a call may be made once more. @param hasProof the service remembers proofs, and refuses one that comes twice */
function isSafeToRepeat({ answer, isLost }: Attempt<unknown>, hasProof: boolean): boolean {
  if (!isFailure(answer)) return false;
  if (NOT_TAKEN.has(answer.reason)) return true;
  if (isUnreachable(answer)) return !hasProof || NEVER_SENT.test(answer.detail);
  return isLost && !hasProof;
}
