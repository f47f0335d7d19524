import type { Answer } from "../vendors/vendor.js";
import type { Codec } from "./connect-codecs.js";
import { connectError, httpRefusal } from "./connect-error.js";

// The head of a unary request of the Connect protocol: https://connectrpc.com/docs/protocol, "Unary-Request".

/** What the head of a request says. */
export interface ConnectHead {
  readonly codec: Codec;
  /** Milliseconds that the caller waits; Infinity if it does not say. */
  readonly timeout: number;
}

type Headers = Readonly<Partial<Record<string, readonly string[]>>>;

/** The answer to a method other than POST. There is no Connect GET: the proto declares no method free of side effects. */
export function onlyPost(method: string | undefined): Answer | undefined {
  return method === "POST" ? undefined : httpRefusal(405, "Send a POST.", { Allow: "POST" });
}

const MEDIA_TYPE = /^application\/(?:(proto)|(json)\s*(?:;\s*charset\s*=\s*("?)utf-8\3\s*)?)$/i;

/**
 * Reads the head of a request.
 *
 * @param headers the values of each header, none joined or dropped
 * @returns the answer if the request is refused
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
  if (version !== "1") return connectError("INVALID_ARGUMENT", 'Connect-Protocol-Version must be "1".');
  const encoding = headers["content-encoding"]?.join(",").trim().toLowerCase() ?? "identity";
  if (encoding !== "identity" && encoding !== "") {
    return connectError("UNIMPLEMENTED", 'Content-Encoding must be absent or "identity".');
  }
  const timeout = headers["connect-timeout-ms"]?.join(",");
  if (timeout !== undefined && !/^\d{1,10}$/.test(timeout)) {
    return connectError("INVALID_ARGUMENT", "Connect-Timeout-Ms must have 1 to 10 digits.");
  }
  return {
    codec: proto === undefined ? "json" : "proto",
    timeout: timeout === undefined ? Number.POSITIVE_INFINITY : Number(timeout),
  };
}
