import { randomUUID } from "node:crypto";
import { TokenVerifierService, type VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Failure } from "../contract/verifier.js";
import type { Clock } from "../util/clock.js";
import { outcomeFromItem, requestToWire } from "../wire/messages.js";
import { type ChannelOptions, isFailure, isUnreachable, openChannel, verifyAlone } from "./channel.js";
import { type Answer, type BatchBounds, Coalescer } from "./coalescer.js";
import { describeConnectionProblem } from "./connection-problem.js";
import { type ClientTls, readClientTls } from "./tls.js";
import { fromOutcome, toRequest, toVerdict, type Verdict, VerificationFailure, type VerifyRequest } from "./verdict.js";
import { type CacheOptions, type CacheStatistics, VerdictCache } from "./verdict-cache.js";

/** How to connect, and the defaults of each call. */
export interface ConnectOptions extends Omit<ChannelOptions, "tls"> {
  /** Speaks TLS 1.2 or later; `{}` trusts Node's default authorities. Default: plaintext. */
  readonly tls?: ClientTls;
  /**
   * Whether calls of `verify` for one realm in one turn of the event loop share a batch, of at most eight callers (default
   * false; true has the default bounds). A call with a proof or a `requestId` goes alone. A batch is answered when its last
   * token is, so one whose keys must be fetched delays the others, up to their own deadlines.
   */
  readonly batch?: boolean | BatchBounds;
  /**
   * Whether `verify` keeps good verdicts and answers from memory until something ends them (default false; true has the default
   * bounds). The realm must allow its callers to watch it (`watch`). A call with a proof, with `explain` or with a `requestId`
   * of its own is always sent.
   */
  readonly cache?: boolean | CacheOptions;
  /** Deadline of a call, in milliseconds from its start (default 2000). */
  readonly deadlineMs?: number;
  /** Returns the time in milliseconds since 1970 (default Date.now). */
  readonly clock?: Clock;
}

/** The options of one call. */
export interface CallOptions {
  /** Deadline of this call, in milliseconds from its start (default: the client's). */
  readonly deadlineMs?: number;
  /** The call's id in the service's log: 1 to 128 printable ASCII characters (default: a random UUID). */
  readonly requestId?: string;
  /** Cancels the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A client of one Token Verifier. */
export interface VerifierClient {
  /**
   * Returns the verdict on one token.
   *
   * @throws {@link VerificationFailure} if no verdict was reached; TypeError if the request names two callers
   */
  verify(request: VerifyRequest, options?: CallOptions): Promise<Verdict>;
  /**
   * Returns the verdicts on many tokens (by default the service accepts 1000, of 8 callers), in the order of the requests. A
   * request without a verdict gets a failure in its place, which does not affect the others.
   *
   * @throws {@link VerificationFailure} if the call as a whole failed
   */
  verifyBatch(requests: readonly VerifyRequest[], options?: CallOptions): Promise<(Verdict | VerificationFailure)[]>;
  /** What the cache has done so far; zeros without `cache`. */
  cacheStatistics(): CacheStatistics;
  /** Closes the connections. Calls that were sent finish; others fail. */
  close(): void;
}

/**
 * Makes a client. It connects at the first call, and again whenever a connection is lost. A call that reaches no service fails
 * with VERIFIER_UNAVAILABLE, at once or, with `waitForReady`, at its deadline; the message names the address and the cause.
 *
 * ```ts
 * const verifier = connect("127.0.0.1:50051");
 * const verdict = await verifier.verify({ realm: "partner", token });
 * if (verdict.kind === "verified") console.log(verdict.token.subject);
 * ```
 *
 * @param address `host:port` or `unix:/path` for one server; `dns:///name:port` for all addresses of a name in turn, or
 *   `ipv4:address:port,address:port` (`ipv6:`) for those listed
 * @throws {@link CaFileError} if `tls.caFile` cannot be used; OpenSSL's error for anything else in `tls`
 */
export function connect(address: string, options: ConnectOptions = {}): VerifierClient {
  const { deadlineMs: usual = 2000, clock = Date.now, batch = false, cache = false } = options;
  const tls = options.tls && readClientTls(options.tls);
  const channel = openChannel(address, { ...options, tls });
  const coalescer = batch === false ? undefined : new Coalescer(channel, batch === true ? {} : batch, clock);
  const verdicts = cache === false ? undefined : new VerdictCache(cache === true ? {} : cache, { channel, clock });
  const callOf = ({ deadlineMs = usual, requestId = randomUUID(), signal }: CallOptions) => ({
    deadline: clock() + deadlineMs,
    requestId,
    signal,
  });
  const failed = (failure: Failure, requestId: string): VerificationFailure =>
    new VerificationFailure(
      failure,
      requestId,
      isUnreachable(failure)
        ? { message: describeConnectionProblem(address, failure.problem), cause: new Error(failure.detail) }
        : undefined,
    );
  async function ask(request: VerifyRequest, options: CallOptions): Promise<Answer> {
    const message = requestToWire(toRequest(request));
    if (verdicts === undefined || message.proof !== undefined || message.explain || options.requestId !== undefined) {
      return send(message, options);
    }
    options.signal?.throwIfAborted();
    const { deadlineMs = usual } = options;
    return verdicts.verify(message, clock() + deadlineMs, () => send(message, options));
  }
  async function send(message: VerifyTokenRequest, options: CallOptions): Promise<Answer> {
    if (coalescer !== undefined && message.proof === undefined && options.requestId === undefined) {
      const { deadlineMs = usual, signal } = options;
      return coalescer.verify(message, { deadline: clock() + deadlineMs, signal });
    }
    const call = callOf(options);
    return { outcome: await verifyAlone(channel, message, call), requestId: call.requestId };
  }

  const { batchVerifyTokens } = TokenVerifierService;
  return {
    async verify(request, options = {}) {
      const { outcome, requestId } = await ask(request, options);
      if (outcome.kind === "failure") throw failed(outcome, requestId);
      return toVerdict(outcome);
    },
    async verifyBatch(requests, options = {}) {
      const call = callOf(options);
      const message = { requests: requests.map((request) => requestToWire(toRequest(request))) };
      const repeatable = requests.every(({ proof }) => proof === undefined);
      const answer = await channel.call(batchVerifyTokens, message, { ...call, repeatable });
      if (isFailure(answer)) throw failed(answer, call.requestId);
      if (answer.responses.length !== requests.length) {
        throw new VerificationFailure({ kind: "failure", reason: "INTERNAL", retryAfter: undefined }, call.requestId);
      }
      return answer.responses.map((item) => fromOutcome(outcomeFromItem(item), call.requestId));
    },
    cacheStatistics: () => verdicts?.statistics() ?? { hits: 0, misses: 0, suspended: 0, entries: 0 },
    close: () => {
      verdicts?.close();
      channel.close();
    },
  };
}
