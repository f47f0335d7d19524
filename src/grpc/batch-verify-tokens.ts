import type { handleUnaryCall } from "@grpc/grpc-js";
import type { BatchVerifyTokensRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { failure } from "../contract/verifier.js";
import { encodeBatch } from "../wire/messages.js";
import type { Environment } from "./asking.js";
import { refusal, verifyBatch } from "./batch.js";
import { Call } from "./call.js";

type Respond = (...of: Parameters<handleUnaryCall<BatchVerifyTokensRequest, Buffer>>) => Promise<void>;

const RPC = "BatchVerifyTokens";

/** Handles BatchVerifyTokens. */
export function batchVerifyTokensHandler(env: Environment): handleUnaryCall<BatchVerifyTokensRequest, Buffer> {
  const { clock, limits, observer } = env;

  async function answer(messages: BatchVerifyTokensRequest["requests"], call: Call, started: number) {
    try {
      const refused = refusal(messages, limits);
      if (refused !== undefined) {
        observer.refused(RPC, call, refused);
        return failure(refused);
      }
      const outcomes = await verifyBatch(env, RPC, messages, call, started);
      return outcomes && encodeBatch(outcomes);
    } catch (error) {
      observer.fault(RPC, call, error);
      return failure("INTERNAL");
    }
  }

  const respond: Respond = async (grpcCall, callback) => {
    const started = clock();
    const call = new Call(grpcCall, started, limits.request, env.addressOf);
    const answered = await answer(grpcCall.request.requests, call, started);
    if (answered === undefined || call.cancelled) return;
    if (Buffer.isBuffer(answered)) callback(null, answered, call.trailer());
    else callback(call.status(answered));
  };
  return (grpcCall, callback) => void respond(grpcCall, callback);
}
