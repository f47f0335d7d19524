import { status } from "@grpc/grpc-js";
import type { Answer } from "../vendors/vendor.js";
import { connectError, httpRefusal } from "./connect-error.js";

// The head of a unary request of the Connect protocol: https://connectrpc.com/docs/protocol, "Unary-Request".

/** The two ways in which a message may be written. */
export type Codec = "json" | "proto";

/** What a request's head says of it. */
export interface ConnectHead {
  readonly codec: Codec;
  /** How long its caller waits, in milliseconds; Infinity where it does not say. */
  readonly timeout: number;
}

type Headers = Readonly<Partial<Record<string, readonly string[]>>>;

/** The answer to any other method: none of the contract's is declared free of side effects, so there is no Connect GET. */
export function onlyPost(method: string | undefined): Answer | undefined {
  return method === "POST" ? undefined : httpRefusal(405, "Send a POST.", { Allow: "POST" });
}

const MEDIA_TYPE = /^application\/(?:(proto)|(json)\s*(?:;\s*charset\s*=\s*("?)utf-8\3\s*)?)$/i;

/**
 * Reads the head of a request.
 *
 * @param headers each header's values, none joined or dropped
 * @returns what to answer where it is refused
 */
export function readHead(method: string | undefined, headers: Headers): ConnectHead | Answer {
  const refused = onlyPost(method);
  if (refused !== undefined) return refused;
  const types = headers["content-type"] ?? [];
  const [, proto, json] = (types.length === 1 && MEDIA_TYPE.exec(types[0]?.trim() ?? "")) || [];
  if (proto === undefined && json === undefined) {
    const accepted = "application/json, application/proto";
    return httpRefusal(415, `Send a body of one of the types ${accepted}.`, { "Accept-Post": accepted });
  }
  const version = headers["connect-protocol-version"]?.join(",") ?? "1";
  if (version !== "1") return connectError(status.INVALID_ARGUMENT, 'Connect-Protocol-Version must be "1".');
  const encoding = headers["content-encoding"]?.join(",").trim().toLowerCase() ?? "identity";
  if (encoding !== "identity" && encoding !== "") {
    return connectError(status.UNIMPLEMENTED, 'Content-Encoding must be absent or "identity".');
  }
  const timeout = headers["connect-timeout-ms"]?.join(",");
  if (timeout !== undefined && !/^\d{1,10}$/.test(timeout)) {
    return connectError(status.INVALID_ARGUMENT, "Connect-Timeout-Ms must have 1 to 10 digits.");
  }
  return {
    codec: proto === undefined ? "json" : "proto",
    timeout: timeout === undefined ? Number.POSITIVE_INFINITY : Number(timeout),
  };
}
