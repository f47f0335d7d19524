import { Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import type { Call, CallService } from "../contract/call.js";
import { acceptRequestId } from "../contract/call.js";
import { type Failure, failure } from "../contract/verifier.js";
import { connectionOfCall } from "../net/http2/connections.js";
import type { DirectCall } from "../net/http2/direct-call.js";
import type { AddressReader } from "../util/client-address.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { type FailureStatus, failureToStatus } from "../wire/status.js";
import type { ServiceLimits } from "./limits.js";

/** What every kind of grpc-js server call has. */
export type ServerCall = Pick<ServerUnaryCall<unknown, unknown>, "metadata" | "getPeer" | "getDeadline" | "cancelled">;

/** The methods of TokenVerifier. */
export type ServiceMethod = "VerifyToken" | "BatchVerifyTokens" | "StreamVerifyTokens" | "WatchChanges";

/** What the handlers of TokenVerifier work with. */
export interface GrpcService extends CallService {
  readonly limits: ServiceLimits;
}

/** The header and the trailer that have the id of a call. */
export const REQUEST_ID = "x-request-id";

/** The header in which a gateway or a proxy forwards its own caller's address. */
const FORWARDED = "x-forwarded-for";

/** What all parts of a call have in common. */
interface CallIdentity {
  readonly requestId: string;
  readonly address: string;
  readonly workload: WorkloadNames | undefined;
}

/** Knows whether a call still wants an answer. */
interface CallSource {
  readonly cancelled: boolean;
}

/** A {@link Call} that came over gRPC. */
export class GrpcCall implements Call {
  readonly via: ServiceMethod;
  readonly requestId: string;
  readonly address: string;
  readonly started: number;
  readonly deadline: number;
  readonly workload: WorkloadNames | undefined;
  readonly #source: CallSource;

  /**
   * @param started when it arrived, in milliseconds since 1970
   * @param timeout milliseconds from then to the deadline
   */
  constructor(
    via: ServiceMethod,
    { requestId, address, workload }: CallIdentity,
    started: number,
    timeout: number,
    source: CallSource,
  ) {
    this.via = via;
    this.requestId = requestId;
    this.address = address;
    this.workload = workload;
    this.started = started;
    this.deadline = started + timeout;
    this.#source = source;
  }

  get cancelled(): boolean {
    return this.#source.cancelled;
  }

  /** The same call with a time limit of its own, for one message of a stream. @param timeout milliseconds */
  message(started: number, timeout: number): GrpcCall {
    return new GrpcCall(this.via, this, started, Math.min(this.deadline - started, timeout), this.#source);
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

/** A call that grpc-js handles. @param started when it arrived, in milliseconds since 1970 */
export function grpcJsCall(via: ServiceMethod, call: ServerCall, started: number, addressOf: AddressReader): GrpcCall {
  const forwarded = call.metadata.get(FORWARDED);
  const identity = {
    requestId: acceptRequestId(call.metadata.get(REQUEST_ID)[0]),
    // Read now: grpc-js forgets the peer of a call that is over, and the log may ask later.
    address: addressOf(peerHost(call.getPeer()), forwarded.length === 0 ? undefined : forwarded.join(",")),
    workload: connectionOfCall(call)?.workload,
  };
  // grpc-js gives the caller's deadline by the machine's own clock.
  return new GrpcCall(via, identity, started, Number(call.getDeadline()) - Date.now(), call);
}

/**
 * A unary call that is answered on its stream.
 *
 * @param started when it arrived, in milliseconds since 1970
 * @param timeout milliseconds from then to the deadline, unless the caller's own is earlier
 */
export function directCall(
  via: ServiceMethod,
  call: DirectCall,
  started: number,
  timeout: number,
  addressOf: AddressReader,
): GrpcCall {
  const { headers, connection } = call;
  const identity = {
    requestId: acceptRequestId(headers[REQUEST_ID]),
    // HTTP/2 joins the values of a header that comes several times.
    address: addressOf(connection.peer, headers[FORWARDED] as string | undefined),
    workload: connection.workload,
  };
  return new GrpcCall(via, identity, started, Math.min(call.timeLeft, timeout), call);
}

/** Ends each call that a server leaves unanswered when it shuts down. */
export const SHUTTING_DOWN = failure("SHUTTING_DOWN");

/** The address in grpc-js's name of a peer, without the port; empty for a socket file. */
export function peerHost(peer: string): string {
  return peer === "unknown" ? "" : peer.slice(0, peer.lastIndexOf(":"));
}
