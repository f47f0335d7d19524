import { Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import { type CallContext, type Failure, failure } from "../contract/verifier.js";
import { workloadOf } from "../net/http2/workload.js";
import type { AddressReader } from "../util/client-address.js";
import { acceptRequestId } from "../util/request-id.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { type FailureStatus, failureToStatus } from "../wire/status.js";

/** What every kind of grpc-js server call has. */
export type ServerCall = Pick<ServerUnaryCall<unknown, unknown>, "metadata" | "getPeer" | "getDeadline" | "cancelled">;

const REQUEST_ID = "x-request-id";
const FORWARDED = "x-forwarded-for";

/** A call as the verifier and the observer see it. */
export class Call implements CallContext {
  readonly requestId: string;
  readonly address: string;
  readonly deadline: number;
  /** The names in the certificate of whoever opened the connection; undefined where it showed none. */
  readonly workload: WorkloadNames | undefined;
  readonly #call: ServerCall;

  /**
   * @param started the time of its arrival, in milliseconds since 1970
   * @param patience milliseconds after which the service itself gives up
   * @param from where it comes from, or the call that it is a part of
   */
  constructor(call: ServerCall, started: number, patience: number, from: AddressReader | Call) {
    this.#call = call;
    const part = from instanceof Call;
    this.requestId = part ? from.requestId : acceptRequestId(call.metadata.get(REQUEST_ID)[0]);
    // Now: a call that is over has forgotten its peer, and a log may ask later.
    this.address = part ? from.address : from(peerHost(call.getPeer()), forwardedBy(call));
    this.workload = part ? from.workload : workloadOf(call);
    // grpc-js tells the caller's deadline by the machine's own clock.
    this.deadline = started + Math.min(Number(call.getDeadline()) - Date.now(), patience);
  }

  /** True once nobody waits for the answer any more. */
  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  /** The same call with a time limit of its own: a message of a stream. */
  renewed(started: number, patience: number): Call {
    return new Call(this.#call, started, patience, this);
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

/** What ends every call that a server which shuts down will not answer. */
export const SHUTTING_DOWN = failure("SHUTTING_DOWN");

/** The address in grpc-js's name of a peer: without the port; empty for a socket file. */
export function peerHost(peer: string): string {
  return peer === "unknown" ? "" : peer.slice(0, peer.lastIndexOf(":"));
}

/** What the peer says of where the call came from: a gateway, or a proxy, forwards its own caller's address. */
function forwardedBy(call: ServerCall): string | undefined {
  const values = call.metadata.get(FORWARDED);
  return values.length === 0 ? undefined : values.join(",");
}
