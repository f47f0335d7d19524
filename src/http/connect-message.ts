import type { Verdict, VerificationRequest } from "../contract/verifier.js";
import type { Answer, FaceRequest } from "../vendors/vendor.js";
import { encodeVerdict } from "../wire/answers.js";
import { requestFromJson, UnreadableMessage, verdictToJson } from "../wire/json.js";
import { requestFromWire } from "../wire/messages.js";
import { readRequest } from "../wire/requests.js";
import { connectError, httpRefusal } from "./connect-error.js";

// Unary messages of the Connect protocol, head and body: https://connectrpc.com/docs/protocol, "Unary-Request".

/** What the head of a request says. */
export interface ConnectHead {
  readonly codec: Codec;
  /** Milliseconds that the caller waits; Infinity if it does not say. */
  readonly timeout: number;
}

/** The answer to a method other than POST. There is no Connect GET: the proto declares no method free of side effects. */
export function onlyPost(method: string | undefined): Answer | undefined {
  return method === "POST" ? undefined : httpRefusal(405, "Send a POST.", { Allow: "POST" });
}

const MEDIA_TYPE = /^application\/(?:(proto)|(json)\s*(?:;\s*charset\s*=\s*("?)utf-8\3\s*)?)$/i;

/** Reads the head of a request. @returns the answer if the request is refused */
export function readHead(head: FaceRequest): ConnectHead | Answer {
  const refused = onlyPost(head.method);
  if (refused !== undefined) return refused;
  const types = head.values("content-type");
  const [, proto, json] = (types.length === 1 && MEDIA_TYPE.exec(types[0]?.trim() ?? "")) || [];
  if (proto === undefined && json === undefined) {
    const accepted = "application/json, application/proto";
    return httpRefusal(415, `Send a body of one of the types ${accepted}.`, { "Accept-Post": accepted });
  }
  const version = joined(head, "connect-protocol-version");
  if (version !== undefined && version !== "1")
    return connectError("INVALID_ARGUMENT", 'Connect-Protocol-Version must be "1".');
  const encoding = joined(head, "content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding !== "identity" && encoding !== "") {
    return connectError("UNIMPLEMENTED", 'Content-Encoding must be absent or "identity".');
  }
  const timeout = joined(head, "connect-timeout-ms");
  if (timeout !== undefined && !/^\d{1,10}$/.test(timeout)) {
    return connectError("INVALID_ARGUMENT", "Connect-Timeout-Ms must have 1 to 10 digits.");
  }
  return {
    codec: proto === undefined ? "json" : "proto",
    timeout: timeout === undefined ? Number.POSITIVE_INFINITY : Number(timeout),
  };
}

/** The values of a header as one text; undefined if it is absent. */
function joined(head: FaceRequest, name: string): string | undefined {
  const values = head.values(name);
  return values.length === 0 ? undefined : values.join(",");
}

/** The two encodings of a Connect message. */
export type Codec = "json" | "proto";

/** The messages of VerifyToken in one encoding. */
interface MessageCodec {
  /** The media type. */
  readonly type: string;
  /** Reads a request's body, without a workload. @throws {UnreadableMessage} */
  readonly read: (body: Buffer) => VerificationRequest;
  /** Writes a response's body. @throws RangeError for a time that JSON cannot express */
  readonly write: (verdict: Verdict) => string | Buffer;
}

/** The codecs of VerifyToken. */
export const CODECS: Readonly<Record<Codec, MessageCodec>> = {
  json: {
    type: "application/json",
    read: (body) => requestFromWire(requestFromJson(body)),
    write: (verdict) => JSON.stringify(verdictToJson(verdict)),
  },
  proto: { type: "application/proto", read: readBinary, write: (verdict) => encodeVerdict(verdict) },
};

function readBinary(body: Buffer): VerificationRequest {
  try {
    return readRequest(body);
  } catch {
    throw new UnreadableMessage("The body is no VerifyTokenRequest in the binary encoding of protobuf.");
  }
}
