import { Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import type { Call, CallService } from "../contract/call.js";
import { acceptRequestId } from "../contract/call.js";
import { type Failure, failure } from "../contract/verifier.js";
import { workloadOfCall } from "../net/http2/connections.js";
import type { AddressReader } from "../util/client-address.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { type FailureStatus, failureToStatus } from "../wire/status.js";
import type { ServiceLimits } from "./limits.js";

/** What every kind of grpc-js server call has. */
export type ServerCall = Pick<ServerUnaryCall<unknown, unknown>, "metadata" | "getPeer" | "getDeadline" | "cancelled">;

/** The methods of TokenVerifier that verify tokens. */
export type VerifyingMethod = "VerifyToken" | "BatchVerifyTokens" | "StreamVerifyTokens";

/** What the handlers of TokenVerifier work with. */
export interface GrpcService extends CallService {
  readonly limits: ServiceLimits;
}

const REQUEST_ID = "x-request-id";
const FORWARDED = "x-forwarded-for";

/** A {@link Call} that came over gRPC. */
export class GrpcCall implements Call {
  readonly via: VerifyingMethod;
  readonly requestId: string;
  readonly address: string;
  readonly started: number;
  readonly deadline: number;
  readonly workload: WorkloadNames | undefined;
  readonly #call: ServerCall;

  /**
   * @param started when it arrived, in milliseconds since 1970
   * @param timeout milliseconds from then to the deadline, unless the caller's own is earlier
   * @param from finds its address, or is the call that it is a part of
   */
  constructor(
    via: VerifyingMethod,
    call: ServerCall,
    started: number,
    timeout: number,
    from: AddressReader | GrpcCall,
  ) {
    this.#call = call;
    const part = from instanceof GrpcCall;
    this.via = via;
    this.requestId = part ? from.requestId : acceptRequestId(call.metadata.get(REQUEST_ID)[0]);
    // Read now: grpc-js forgets the peer of a call that is over, and the log may ask later.
    this.address = part ? from.address : from(peerHost(call.getPeer()), forwardedBy(call));
    this.workload = part ? from.workload : workloadOfCall(call);
    this.started = started;
    // grpc-js gives the caller's deadline by the machine's own clock.
    this.deadline = started + Math.min(Number(call.getDeadline()) - Date.now(), timeout);
  }

  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  /** The same call with a time limit of its own, for one message of a stream. @param timeout milliseconds */
  message(started: number, timeout: number): GrpcCall {
    return new GrpcCall(this.via, this.#call, started, timeout, this);
  }

  /** The trailing metadata of a good answer. */
  trailer(): Metadata {
    const trailer = new Metadata();
    trailer.set(REQUEST_ID, this.requestId);
    return trailer;
  }

  /** A failure as this call's status. */
  status(failed: Failure): FailureStatus {
    const { code, details, metadata } = failureToStatus(failed);
    const own = metadata.clone();
    own.set(REQUEST_ID, this.requestId);
    return { code, details, metadata: own };
  }
}

/** Ends each call that a server leaves unanswered when it shuts down. */
export const SHUTTING_DOWN = failure("SHUTTING_DOWN");

/** The address in grpc-js's name of a peer, without the port; empty for a socket file. */
export function peerHost(peer: string): string {
  return peer === "unknown" ? "" : peer.slice(0, peer.lastIndexOf(":"));
}

/** The `X-Forwarded-For` of a call: a gateway or a proxy forwards its own caller's address. */
function forwardedBy(call: ServerCall): string | undefined {
  const values = call.metadata.get(FORWARDED);
  return values.length === 0 ? undefined : values.join(",");
}
