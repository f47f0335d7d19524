import { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Verdict } from "../contract/verifier.js";
import { requestFromJson, UnreadableMessage, verdictToJson } from "../wire/json.js";
import { encodeVerdict } from "../wire/messages.js";
import { strictReader } from "../wire/protobuf.js";

/** The two encodings of a Connect message. */
export type Codec = "json" | "proto";

/** The messages of VerifyToken in one encoding. */
interface MessageCodec {
  /** The media type. */
  readonly type: string;
  /** Reads a request's body. @throws {UnreadableMessage} */
  readonly read: (body: Buffer) => VerifyTokenRequest;
  /** Writes a response's body. @throws RangeError for a time that JSON cannot express */
  readonly write: (verdict: Verdict) => string | Buffer;
}

/** The codecs of VerifyToken. */
export const CODECS: Readonly<Record<Codec, MessageCodec>> = {
  json: {
    type: "application/json",
    read: requestFromJson,
    write: (verdict) => JSON.stringify(verdictToJson(verdict)),
  },
  proto: { type: "application/proto", read: readBinary, write: encodeVerdict },
};

function readBinary(body: Buffer): VerifyTokenRequest {
  try {
    return VerifyTokenRequest.decode(strictReader(body));
  } catch {
    throw new UnreadableMessage("The body is no VerifyTokenRequest in the binary encoding of protobuf.");
  }
}
