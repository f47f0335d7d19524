import type { Logger } from "pino";
import { failure } from "../contract/verifier.js";
import type { CallObserver } from "../grpc/observer.js";
import type { GatewayObserver } from "../http/handler.js";
import { callerFields, type InstanceOf } from "./caller.js";
import { tell } from "./lines.js";
import type { CallLine } from "./log.js";

/** Logs what the gRPC service does. */
export function serviceObserver(log: Logger, calls: (call: CallLine) => void, instanceOf: InstanceOf): CallObserver {
  return {
    verified: ({ rpc, call, realm, outcome, caller, items, millis }) =>
      calls({
        requestId: call.requestId,
        via: rpc,
        realm,
        address: () => call.address,
        caller: () => callerFields(caller, instanceOf),
        outcome,
        millis,
        items,
      }),
    refused: (rpc, call, reason) =>
      calls({
        requestId: call.requestId,
        via: rpc,
        realm: "",
        address: () => call.address,
        caller: () => ({}),
        outcome: failure(reason),
        millis: 0,
        items: 1,
      }),
    fault: (via, { requestId }, err) => tell(log, "unexpected fault", { err, via, requestId }),
  };
}

/** Logs what the gateway does. */
export function gatewayObserver(log: Logger, calls: (call: CallLine) => void, instanceOf: InstanceOf): GatewayObserver {
  return {
    faceCall: ({ face, realm, requestId, address, status, outcome, caller, millis }) =>
      calls({
        requestId,
        via: face,
        realm,
        address: () => address,
        caller: () => callerFields(caller, instanceOf),
        outcome,
        millis,
        items: 1,
        status,
      }),
    fault: (err, requestId) => tell(log, "unexpected fault", { err, requestId }),
  };
}
