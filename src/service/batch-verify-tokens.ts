import type { handleUnaryCall } from "@grpc/grpc-js";
import type { BatchVerifyTokensRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { failure } from "../contract/verifier.js";
import { encodeBatch } from "../contract/wire.js";
import type { Environment } from "./asking.js";
import { refusal, verifyBatch } from "./batch.js";
import { Call } from "./call.js";

const RPC = "BatchVerifyTokens";

/** Handles BatchVerifyTokens. */
export function batchVerifyTokensHandler(env: Environment): handleUnaryCall<BatchVerifyTokensRequest, Buffer> {
  const { clock, limits, observer } = env;
  return async (grpcCall, callback) => {
    const started = clock();
    const call = new Call(grpcCall, started + limits.request);
    const { requests } = grpcCall.request;
    try {
      const refused = refusal(requests, limits);
      if (refused !== undefined) {
        callback(call.status(failure(refused)));
        observer.refused(RPC, call, refused);
        return;
      }
      const answer = encodeBatch(await verifyBatch(env, RPC, requests, call, started));
      if (!call.cancelled) callback(null, answer, call.trailer());
    } catch (error) {
      observer.fault(RPC, call, error);
      if (!call.cancelled) callback(call.status(failure("INTERNAL")));
    }
  };
}
