import type { handleUnaryCall } from "@grpc/grpc-js";
import type { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { type Failure, failure, knownCaller, type Outcome } from "../contract/verifier.js";
import { until } from "../util/timeouts.js";
import { encodeVerdict, requestFromWire } from "../wire/messages.js";
import { ask, type Environment } from "./asking.js";
import { Call } from "./call.js";

const TIMED_OUT = failure("TIMED_OUT");

/** Handles VerifyToken. Where the verifier answers at once, so does this: no promise, no timer. */
export function verifyTokenHandler(env: Environment): handleUnaryCall<VerifyTokenRequest, Buffer> {
  const { clock, limits, observer } = env;
  return (grpcCall, callback) => {
    const started = clock();
    const call = new Call(grpcCall, started, limits.request, env.addressOf);
    const request = requestFromWire(grpcCall.request, call.workload);

    const finish = (outcome: Outcome): void => {
      const answer = outcome.kind === "failure" ? outcome : encode(outcome);
      // grpc-js has ended a call that was cancelled, or whose own deadline passed.
      if (!grpcCall.cancelled) {
        if (Buffer.isBuffer(answer)) callback(null, answer, call.trailer());
        else callback(call.status(answer));
      }
      const { realm } = request;
      const told = Buffer.isBuffer(answer) ? outcome : answer;
      const caller = knownCaller(request, told);
      const millis = clock() - started;
      observer.verified({ rpc: "VerifyToken", call, realm, outcome: told, caller, items: 1, millis });
    };

    const encode = (outcome: Exclude<Outcome, Failure>): Buffer | Failure => {
      try {
        return encodeVerdict(outcome);
      } catch (error) {
        observer.fault("VerifyToken", call, error);
        return failure("INTERNAL");
      }
    };

    const outcome = ask(env, "VerifyToken", request, call);
    if (!(outcome instanceof Promise)) {
      finish(outcome);
      return;
    }
    let known: Outcome = TIMED_OUT;
    const settled = outcome.then((late) => {
      known = late;
    });
    void until(settled, call.deadline - started).then(() => finish(known));
  };
}
