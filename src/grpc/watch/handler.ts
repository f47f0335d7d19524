import type { handleBidiStreamingCall } from "@grpc/grpc-js";
import type { WatchChangesRequest } from "../../../gen/tokenverifier/v1/token_verifier.js";
import { failure } from "../../contract/verifier.js";
import type { WatchSource } from "../../contract/watch.js";
import { connectionOfCall } from "../../net/http2/connections.js";
import { MAX_CALLS } from "../../net/http2/http2-port.js";
import { observeRefusal } from "../batch.js";
import { type GrpcService, grpcJsCall } from "../call.js";
import type { OpenCalls } from "../open-calls.js";
import { WatchCounts } from "./counts.js";
import { WatchRealms } from "./realms.js";
import { type WatchCall, WatchStream } from "./stream.js";

/** Most watches of a connection: half of its calls, so that ordinary ones always find room. */
const PER_CONNECTION = MAX_CALLS / 2;

/** Part of the wait that others are asked for: a client without a watch asks for every token. */
const HINT = 0.2;

/** The watches of a server. */
export interface Watches {
  readonly handler: handleBidiStreamingCall<WatchChangesRequest, Buffer>;
  readonly counts: WatchCounts;
}

/** Handles WatchChanges. */
export function createWatches(service: GrpcService, source: WatchSource, openCalls: OpenCalls): Watches {
  const counts = new WatchCounts();
  const realms = new WatchRealms(source, service.clock);
  const context = { service, source, realms, counts };
  const open = new Set<WatchStream>();
  const byConnection = new WeakMap<object, number>();

  const handler = (grpcCall: WatchCall): void => {
    const call = grpcJsCall("WatchChanges", grpcCall, service.clock(), service.addressOf);
    const connection = connectionOfCall(grpcCall);
    const ofConnection = (connection && byConnection.get(connection)) ?? 0;
    if (open.size >= service.limits.watches || ofConnection >= PER_CONNECTION) {
      counts.refuse("TOO_MANY_WATCHES");
      grpcCall.emit("error", call.status(failure("TOO_MANY_WATCHES")));
      observeRefusal(service, call, "TOO_MANY_WATCHES");
      return;
    }
    const stream = new WatchStream(context, grpcCall, call);
    open.add(stream);
    counts.open++;
    if (connection !== undefined) byConnection.set(connection, ofConnection + 1);
    const forget = openCalls.add({
      kind: "changes",
      connection,
      end: (retryAfter) => stream.fail(failure("SHUTTING_DOWN", Math.round(retryAfter * HINT))),
    });
    // grpc-js emits "cancelled" for every call that is over, however it ended.
    grpcCall.on("cancelled", () => {
      stream.over();
      forget();
      if (!open.delete(stream)) return;
      counts.open--;
      if (connection !== undefined) byConnection.set(connection, (byConnection.get(connection) ?? 1) - 1);
    });
  };

  return { handler, counts };
}
