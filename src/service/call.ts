import { Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import { addressReader } from "../contract/address.js";
import { acceptRequestId } from "../contract/request-id.js";
import { type FailureStatus, failureToStatus } from "../contract/status.js";
import { type CallContext, type Failure, failure } from "../contract/verifier.js";

/** What every kind of grpc-js server call has. */
export type ServerCall = Pick<ServerUnaryCall<unknown, unknown>, "metadata" | "getPeer" | "getDeadline" | "cancelled">;

const REQUEST_ID = "x-request-id";

/** A call as the verifier and the observer see it. */
export class Call implements CallContext {
  readonly requestId: string;
  readonly address: string;
  readonly deadline: number;
  readonly #call: ServerCall;

  /**
   * @param latest the time at which the service itself gives up, in milliseconds since 1970
   * @param parent the call that this one is a part of
   */
  constructor(call: ServerCall, latest: number, parent?: Call) {
    this.#call = call;
    this.requestId = parent?.requestId ?? acceptRequestId(call.metadata.get(REQUEST_ID)[0]);
    // Now: a call that is over has forgotten its peer, and a log may ask later.
    this.address = parent?.address ?? peerAddress(call.getPeer());
    this.deadline = Math.min(Number(call.getDeadline()), latest);
  }

  /** True once nobody waits for the answer any more. */
  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  /** The same call with a time limit of its own: a message of a stream. */
  renewed(latest: number): Call {
    return new Call(this.#call, latest, this);
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

const addressOf = addressReader([]);

/** The address in grpc-js's name of a peer: without the port, IPv4 as IPv4; empty for a socket file. */
export function peerAddress(peer: string): string {
  return peer === "unknown" ? "" : addressOf(peer.slice(0, peer.lastIndexOf(":")), undefined);
}
