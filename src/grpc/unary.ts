import type { handleUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import type { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { ask, knownCaller } from "../contract/call.js";
import { type Failure, failure, type Outcome, type VerificationRequest } from "../contract/verifier.js";
import { encodeVerdict, requestFromWire } from "../wire/messages.js";
import { answerBatch } from "./batch.js";
import { GrpcCall, type GrpcService } from "./call.js";

/** Handles VerifyToken. If the verifier answers at once, so does this, without a promise, timer or closure. */
export function verifyTokenHandler(service: GrpcService): handleUnaryCall<VerifyTokenRequest, Buffer> {
  const { clock, limits, observer, addressOf } = service;

  function encode(outcome: Outcome, call: GrpcCall): Buffer | Failure {
    if (outcome.kind === "failure") return outcome;
    try {
      return encodeVerdict(outcome);
    } catch (error) {
      observer.fault(call, error);
      return failure("INTERNAL");
    }
  }

  function finish(
    verdict: Outcome,
    request: VerificationRequest,
    call: GrpcCall,
    callback: sendUnaryData<Buffer>,
  ): void {
    const answer = encode(verdict, call);
    respond(answer, call, callback);
    const outcome = Buffer.isBuffer(answer) ? verdict : answer;
    const caller = knownCaller(request, outcome);
    observer.ended({ call, realm: request.realm, outcome, caller, items: 1, millis: clock() - call.started });
  }

  return (grpcCall, callback) => {
    const call = new GrpcCall("VerifyToken", grpcCall, clock(), limits.request, addressOf);
    const request = requestFromWire(grpcCall.request, call.workload);
    const outcome = ask(service, request, call);
    if (outcome instanceof Promise) void outcome.then((late) => finish(late, request, call, callback));
    else finish(outcome, request, call, callback);
  };
}

/** Handles BatchVerifyTokens. */
export function batchVerifyTokensHandler(service: GrpcService): handleUnaryCall<readonly VerifyTokenRequest[], Buffer> {
  const { clock, limits, addressOf } = service;
  return (grpcCall, callback) => {
    const call = new GrpcCall("BatchVerifyTokens", grpcCall, clock(), limits.request, addressOf);
    void answerBatch(service, grpcCall.request, call).then((answered) => {
      if (answered !== undefined) respond(answered, call, callback);
    });
  };
}

/** Answers a call, unless grpc-js has ended it: it was cancelled, or the caller's own deadline has passed. */
function respond(answer: Buffer | Failure, call: GrpcCall, callback: sendUnaryData<Buffer>): void {
  if (call.cancelled) return;
  if (Buffer.isBuffer(answer)) callback(null, answer, call.trailer());
  else callback(call.status(answer));
}
