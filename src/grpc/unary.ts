import { ask, knownCaller } from "../contract/call.js";
import { type Failure, failure, type Outcome, type VerificationRequest } from "../contract/verifier.js";
import type { DirectCall, DirectMethod } from "../net/http2/direct-call.js";
import { MESSAGE_HEAD } from "../net/http2/grpc-request.js";
import { encodeVerdict } from "../wire/answers.js";
import { readBatch, readRequest, withWorkload } from "../wire/requests.js";
import { failureToFields } from "../wire/status.js";
import { answerBatch } from "./batch.js";
import { directCall, type GrpcCall, type GrpcService, REQUEST_ID } from "./call.js";

/** VerifyToken. If the verifier answers at once, so does this, without a promise, timer or closure. */
export function verifyToken(service: GrpcService): DirectMethod<VerificationRequest> {
  const { clock, limits, observer, addressOf } = service;

  function encode(outcome: Outcome, call: GrpcCall): Buffer | Failure {
    if (outcome.kind === "failure") return outcome;
    try {
      return encodeVerdict(outcome, MESSAGE_HEAD);
    } catch (error) {
      observer.fault(call, error);
      return failure("INTERNAL");
    }
  }

  function finish(verdict: Outcome, request: VerificationRequest, call: GrpcCall, direct: DirectCall): void {
    const answer = encode(verdict, call);
    respond(direct, answer, call);
    const outcome = Buffer.isBuffer(answer) ? verdict : answer;
    const caller = knownCaller(request, outcome);
    observer.ended({ call, realm: request.realm, outcome, caller, items: 1, millis: clock() - call.started });
  }

  return {
    read: readRequest,
    answer(direct, message) {
      const call = directCall("VerifyToken", direct, clock(), limits.request, addressOf);
      const request = withWorkload(message, call.workload);
      const outcome = ask(service, request, call);
      if (outcome instanceof Promise) void outcome.then((late) => finish(late, request, call, direct));
      else finish(outcome, request, call, direct);
    },
  };
}

/** BatchVerifyTokens. */
export function batchVerifyTokens(service: GrpcService): DirectMethod<readonly VerificationRequest[]> {
  const { clock, limits, addressOf } = service;
  return {
    read: (message) => readBatch(message, limits.batch),
    answer(direct, requests) {
      const call = directCall("BatchVerifyTokens", direct, clock(), limits.request, addressOf);
      void answerBatch(service, requests, call, MESSAGE_HEAD).then((answer) => {
        if (answer !== undefined) respond(direct, answer, call);
      });
    },
  };
}

/** Sends an answer, or a failure as the call's status. */
function respond(direct: DirectCall, answer: Buffer | Failure, { requestId }: GrpcCall): void {
  const fields = { [REQUEST_ID]: requestId };
  if (Buffer.isBuffer(answer)) direct.send(answer, fields);
  else direct.fail({ ...failureToFields(answer), ...fields });
}
