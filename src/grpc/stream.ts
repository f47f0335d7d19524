import type { handleBidiStreamingCall, ServerDuplexStream } from "@grpc/grpc-js";
import { type Failure, failure, type Outcome } from "../contract/verifier.js";
import { connectionOfCall } from "../net/http2/connections.js";
import { Quota, quotaClient } from "../net/http2/quota.js";
import { setReadAhead } from "../net/internals.js";
import { InactivityTimer } from "../util/timeouts.js";
import { encodeStreamMessage } from "../wire/answers.js";
import type { StreamMessage } from "../wire/requests.js";
import { observeRefusal, verifyBatch } from "./batch.js";
import { type GrpcCall, type GrpcService, grpcJsCall, peerHost } from "./call.js";
import type { Sized } from "./definition.js";
import { foldBatch } from "./fold.js";
import { MAX_ID_BYTES, MAX_UNDER_WAY, streamShare } from "./limits.js";
import type { OpenCalls } from "./open-calls.js";

type Received = Sized<StreamMessage>;
type GrpcStream = ServerDuplexStream<Received, Buffer>;

/**
 * Handles StreamVerifyTokens: each message is a batch, and several are answered at once.
 *
 * @param isProxy peers that may have all of `limits.streams`, since they forward the streams of others
 */
export function streamVerifyTokensHandler(
  service: GrpcService,
  openCalls: OpenCalls,
  isProxy: (address: string) => boolean,
): handleBidiStreamingCall<Received, Buffer> {
  const { clock, limits, addressOf } = service;
  const quota = new Quota(limits.streams, streamShare(limits.streams));
  return (grpcCall) => {
    const call = grpcJsCall("StreamVerifyTokens", grpcCall, clock(), addressOf);
    const reserve = quota.open(quotaClient(peerHost(grpcCall.getPeer()), isProxy));
    if (!reserve(1)) {
      grpcCall.emit("error", call.status(failure("TOO_MANY_STREAMS")));
      observeRefusal(service, call, "TOO_MANY_STREAMS");
      return;
    }
    const stream = new VerificationStream(service, grpcCall, call);
    const forget = openCalls.add({
      kind: "tokens",
      connection: connectionOfCall(grpcCall),
      end: (retryAfter) => stream.end(failure("SHUTTING_DOWN", retryAfter)),
    });
    // grpc-js emits "cancelled" for every call that is over, however it ended.
    grpcCall.on("cancelled", () => {
      reserve(0);
      stream.over();
      forget();
    });
  };
}

type Outcomes = readonly Outcome[] | undefined;

/** One open stream. */
class VerificationStream {
  readonly #service: GrpcService;
  readonly #grpcCall: GrpcStream;
  readonly #call: GrpcCall;
  #underWay = 0;
  #bytesUnderWay = 0;
  #blocked = false;
  readonly #idle: InactivityTimer;
  /** How the stream will end once the answers under way are written. */
  #ending: { readonly failed: Failure | undefined } | undefined;

  constructor(service: GrpcService, grpcCall: GrpcStream, call: GrpcCall) {
    this.#service = service;
    this.#grpcCall = grpcCall;
    this.#call = call;
    this.#idle = new InactivityTimer(service.limits.idle, () => this.#endWhereIdle());
    setReadAhead(grpcCall, 1);
    grpcCall.on("data", (received: Received) => this.#answer(received));
    grpcCall.on("end", () => this.end(undefined));
    grpcCall.on("drain", () => {
      this.#blocked = false;
      this.#throttle();
    });
  }

  /** Reads no more, lets the answers under way arrive, then ends the call. @param failed undefined for a good end */
  end(failed: Failure | undefined): void {
    if (this.#ending !== undefined) return;
    this.#ending = { failed };
    this.#grpcCall.pause();
    this.#endIfDone();
  }

  /** Releases what an open stream holds; the call is over. */
  over(): void {
    this.#idle.end();
  }

  /** Ends the stream of a client that sends nothing: it takes a place of `limits.streams`. */
  #endWhereIdle(): void {
    if (this.#underWay > 0) this.#idle.renew();
    else this.end(undefined);
  }

  #endIfDone(): void {
    if (this.#ending === undefined || this.#underWay > 0 || this.#call.cancelled) return;
    const { failed } = this.#ending;
    if (failed === undefined) this.#grpcCall.end(this.#call.trailer());
    else this.#grpcCall.emit("error", this.#call.status(failed));
  }

  /** Answers a message, at once if all of its outcomes are there at once. */
  #answer({ message: { id, requests }, bytes }: Received): void {
    const { clock, limits } = this.#service;
    const call = this.#call.message(clock(), limits.request);
    const batch = Buffer.byteLength(id) > MAX_ID_BYTES ? "ID_TOO_LONG" : foldBatch(requests, limits, call.workload);
    if (typeof batch === "string") {
      observeRefusal(this.#service, call, batch);
      this.end(failure(batch));
      return;
    }
    try {
      const outcomes = verifyBatch(this.#service, batch, call);
      if (outcomes instanceof Promise) void this.#answerLater(id, outcomes, call, bytes);
      else this.#write(id, outcomes, call);
    } catch (error) {
      this.#fail(call, error);
    }
  }

  async #answerLater(id: string, outcomes: Promise<Outcomes>, call: GrpcCall, bytes: number): Promise<void> {
    this.#underWay++;
    this.#bytesUnderWay += bytes;
    this.#throttle();
    try {
      this.#write(id, await outcomes, call);
    } catch (error) {
      this.#fail(call, error);
    }
    this.#underWay--;
    this.#bytesUnderWay -= bytes;
    this.#throttle();
    this.#endIfDone();
  }

  #write(id: string, outcomes: Outcomes, call: GrpcCall): void {
    if (call.cancelled) return;
    this.#idle.renew();
    if (outcomes === undefined || this.#grpcCall.write(encodeStreamMessage(id, outcomes))) return;
    this.#blocked = true;
    this.#throttle();
  }

  #fail(call: GrpcCall, error: unknown): void {
    this.#service.observer.fault(call, error);
    this.end(failure("INTERNAL"));
  }

  /** Reads on only while there is room for another message and for its answer. */
  #throttle(): void {
    const full = this.#underWay >= MAX_UNDER_WAY || this.#bytesUnderWay >= this.#service.limits.message;
    if (full || this.#blocked || this.#ending !== undefined) this.#grpcCall.pause();
    else if (this.#grpcCall.isPaused()) this.#grpcCall.resume();
  }
}
