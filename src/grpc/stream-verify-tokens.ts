import type { handleBidiStreamingCall, ServerDuplexStream } from "@grpc/grpc-js";
import type { StreamVerifyTokensRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { FailureReason } from "../contract/failures.js";
import { failure } from "../contract/verifier.js";
import { sharerOf } from "../net/http2/connections.js";
import { MAX_ID_BYTES, MAX_UNDER_WAY, streamShare } from "../net/http2/limits.js";
import { Quota } from "../net/http2/quota.js";
import { InactivityTimer } from "../net/inactivity-timer.js";
import { encodeStreamMessage } from "../wire/messages.js";
import type { Environment } from "./asking.js";
import { refusal, verifyBatch } from "./batch.js";
import { Call, peerHost } from "./call.js";
import type { Sized } from "./definition.js";
import type { OpenCalls } from "./open-calls.js";

const RPC = "StreamVerifyTokens";

type Message = Sized<StreamVerifyTokensRequest>;
type GrpcStream = ServerDuplexStream<Message, Buffer>;

/**
 * Handles StreamVerifyTokens: each message is a batch, and several are answered at once.
 *
 * @param isProxy peers that may have all of `limits.streams`: they bring those of others
 */
export function streamVerifyTokensHandler(
  env: Environment,
  openCalls: OpenCalls,
  isProxy: (address: string) => boolean,
): handleBidiStreamingCall<Message, Buffer> {
  const shares = new Quota(env.limits.streams, streamShare(env.limits.streams));
  return (grpcCall) => {
    const hold = shares.holder(sharerOf(peerHost(grpcCall.getPeer()), isProxy));
    if (!hold(1)) {
      const call = new Call(grpcCall, env.clock(), Infinity, env.addressOf);
      grpcCall.emit("error", call.status(failure("TOO_MANY_STREAMS")));
      env.observer.refused(RPC, call, "TOO_MANY_STREAMS");
      return;
    }
    const stream = new VerificationStream(env, grpcCall);
    const forget = openCalls.add(() => stream.end("SHUTTING_DOWN"));
    // grpc-js says "cancelled" of every call that is over, however it ended.
    grpcCall.on("cancelled", () => {
      hold(0);
      stream.over();
      forget();
    });
  };
}

/** One open stream. */
class VerificationStream {
  readonly #env: Environment;
  readonly #grpcCall: GrpcStream;
  readonly #call: Call;
  #underWay = 0;
  #bytesUnderWay = 0;
  #blocked = false;
  readonly #idle: InactivityTimer;
  /** How the stream is to end once the answers under way are written. */
  #ending: { readonly reason: FailureReason | undefined } | undefined;

  constructor(env: Environment, grpcCall: GrpcStream) {
    this.#env = env;
    this.#grpcCall = grpcCall;
    this.#call = new Call(grpcCall, env.clock(), Infinity, env.addressOf);
    this.#idle = new InactivityTimer(env.limits.idle, () => this.#endWhereIdle());
    readAheadOne(grpcCall);
    grpcCall.on("data", (message: Message) => void this.#answer(message));
    grpcCall.on("end", () => this.end(undefined));
    grpcCall.on("drain", () => {
      this.#blocked = false;
      this.#throttle();
    });
  }

  /** Reads no more, lets the answers under way arrive, then ends the call. @param reason undefined for a good end */
  end(reason: FailureReason | undefined): void {
    if (this.#ending !== undefined) return;
    this.#ending = { reason };
    this.#grpcCall.pause();
    this.#endIfDone();
  }

  /** Is told that the call is over. */
  over(): void {
    this.#idle.end();
  }

  /** A stream takes a place, which nobody may keep who asks nothing. */
  #endWhereIdle(): void {
    if (this.#underWay > 0) this.#idle.renew();
    else this.end(undefined);
  }

  #endIfDone(): void {
    if (this.#ending === undefined || this.#underWay > 0 || this.#call.cancelled) return;
    const { reason } = this.#ending;
    if (reason === undefined) this.#grpcCall.end(this.#call.trailer());
    else this.#grpcCall.emit("error", this.#call.status(failure(reason)));
  }

  async #answer({ message: { id, requests }, bytes }: Message): Promise<void> {
    const { clock, limits, observer } = this.#env;
    const refused = Buffer.byteLength(id) > MAX_ID_BYTES ? "ID_TOO_LONG" : refusal(requests, limits);
    if (refused !== undefined) {
      observer.refused(RPC, this.#call, refused);
      this.end(refused);
      return;
    }
    this.#underWay++;
    this.#bytesUnderWay += bytes;
    this.#throttle();
    const started = clock();
    const call = this.#call.renewed(started, limits.request);
    try {
      const outcomes = await verifyBatch(this.#env, RPC, requests, call, started);
      if (outcomes !== undefined && !call.cancelled) {
        this.#blocked = !this.#grpcCall.write(encodeStreamMessage(id, outcomes));
      }
    } catch (error) {
      observer.fault(RPC, call, error);
      this.end("INTERNAL");
    }
    this.#underWay--;
    if (!call.cancelled) this.#idle.renew();
    this.#bytesUnderWay -= bytes;
    this.#throttle();
    this.#endIfDone();
  }

  /** Reads on only while there is room for another message and for its answer. */
  #throttle(): void {
    const full = this.#underWay >= MAX_UNDER_WAY || this.#bytesUnderWay >= this.#env.limits.message;
    if (full || this.#blocked || this.#ending !== undefined) this.#grpcCall.pause();
    else if (this.#grpcCall.isPaused()) this.#grpcCall.resume();
  }
}

/**
 * A paused grpc-js stream goes on to read sixteen messages, each as large as `limits.message`; there is no option for
 * it. One will do.
 */
function readAheadOne(grpcCall: GrpcStream): void {
  (grpcCall as unknown as { _readableState: { highWaterMark: number } })._readableState.highWaterMark = 1;
}
