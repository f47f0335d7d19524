import { randomUUID } from "node:crypto";
import { TokenVerifierService } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Failure } from "../contract/verifier.js";
import type { Clock } from "../util/clock.js";
import { outcomeFromItem, outcomeFromWire, requestToWire } from "../wire/messages.js";
import { type ChannelOptions, isUnreached, openChannel } from "./channel.js";
import { VerificationFailure } from "./failure.js";
import { type ClientTls, readClientTls } from "./tls.js";
import { tellTrouble } from "./trouble.js";
import { fromOutcome, isFailure, toRequest, type Verdict, type VerifyRequest } from "./verdict.js";

/** How to connect, and what holds for every call that does not say otherwise. */
export interface ConnectOptions extends Omit<ChannelOptions, "tls"> {
  /** Over TLS 1.2 or later; `{}` trusts the authorities that Node knows. Default: in the clear. */
  readonly tls?: ClientTls;
  /** Milliseconds that a call may take (default 2000). */
  readonly deadlineMs?: number;
  /** The time, in milliseconds since 1970 (default Date.now). */
  readonly clock?: Clock;
}

/** One call's own options. */
export interface CallOptions {
  /** Milliseconds that this call may take (default: the client's). */
  readonly deadlineMs?: number;
  /** What the service's log knows the call by: 1 to 128 printable ASCII characters (default: a new UUID). */
  readonly requestId?: string;
  /** Cancels the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A client of one Token Verifier. */
export interface VerifierClient {
  /**
   * The verdict on one token.
   *
   * @throws {@link VerificationFailure} where no verdict was reached; TypeError where the request names two callers
   */
  verify(request: VerifyRequest, options?: CallOptions): Promise<Verdict>;
  /**
   * The verdicts on many tokens (the service admits 1000, of 8 callers, by default), in the order of the requests. A
   * request without a verdict has its own failure in its place and leaves the others as they are.
   *
   * @throws {@link VerificationFailure} where the call as a whole failed
   */
  verifyBatch(requests: readonly VerifyRequest[], options?: CallOptions): Promise<(Verdict | VerificationFailure)[]>;
  /** Closes the connections. Calls under way finish; later ones fail. */
  close(): void;
}

/**
 * Makes a client. Nothing is sent before the first call; lost connections are opened again by themselves. A call that
 * reaches no service fails at once, or with `waitForReady` at its deadline, with VERIFIER_UNAVAILABLE; its message says where it
 * asked, and what is known of the reason.
 *
 * ```ts
 * const verifier = connect("127.0.0.1:50051");
 * const verdict = await verifier.verify({ realm: "partner", token });
 * if (verdict.kind === "verified") console.log(verdict.token.subject);
 * ```
 *
 * @param address `host:port`, `dns:///name:port` or `unix:/path`
 * @throws {@link CaFileError} where `tls.caFile` is of no use; what OpenSSL says where something else in `tls` is
 */
export function connect(address: string, options: ConnectOptions = {}): VerifierClient {
  const { deadlineMs: usual = 2000, clock = Date.now } = options;
  const tls = options.tls && readClientTls(options.tls);
  const channel = openChannel(address, { ...options, tls });
  const callOf = ({ deadlineMs = usual, requestId = randomUUID(), signal }: CallOptions) => ({
    deadline: clock() + deadlineMs,
    requestId,
    signal,
  });
  const failed = (failure: Failure, requestId: string): VerificationFailure =>
    new VerificationFailure(
      failure,
      requestId,
      isUnreached(failure)
        ? { message: tellTrouble(address, failure.trouble), cause: new Error(failure.unreached) }
        : undefined,
    );
  const { verifyToken, batchVerifyTokens } = TokenVerifierService;
  return {
    async verify(request, options = {}) {
      const call = callOf(options);
      const answer = await channel.call(verifyToken, requestToWire(toRequest(request)), call);
      if (isFailure(answer)) throw failed(answer, call.requestId);
      const verdict = fromOutcome(outcomeFromWire(answer), call.requestId);
      if (verdict instanceof VerificationFailure) throw verdict;
      return verdict;
    },
    async verifyBatch(requests, options = {}) {
      const call = callOf(options);
      const message = { requests: requests.map((request) => requestToWire(toRequest(request))) };
      const answer = await channel.call(batchVerifyTokens, message, call);
      if (isFailure(answer)) throw failed(answer, call.requestId);
      if (answer.responses.length !== requests.length) {
        throw new VerificationFailure({ kind: "failure", reason: "INTERNAL", retryAfter: undefined }, call.requestId);
      }
      return answer.responses.map((item) => fromOutcome(outcomeFromItem(item), call.requestId));
    },
    close: () => channel.close(),
  };
}
