import { type DescMessage, fromBinary, toJsonString } from "@bufbuild/protobuf";
import { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Verdict } from "../contract/verifier.js";
import { readObject } from "../jws/json.js";
import { jsonProblem } from "../jws/json-problem.js";
import { encodeVerdict } from "../wire/messages.js";
import { strictReader } from "../wire/protobuf-reader.js";
import { readRegistry } from "../wire/registry.js";
import type { Codec } from "./connect-request.js";
import { readMessage, UnreadableMessage } from "./read-message.js";

/** The messages of VerifyToken, read from bodies and written into them. */
export interface RpcMessages {
  /** Reads a body. @throws {UnreadableMessage} */
  read(codec: Codec, body: Buffer): VerifyTokenRequest;
  /** Writes a verdict as the body of an answer. */
  write(codec: Codec, verdict: Verdict): { readonly type: string; readonly body: string | Uint8Array };
}

/** The type of an answer's body, by its codec. */
const TYPES: Readonly<Record<Codec, string>> = { json: "application/json", proto: "application/proto" };

/** Makes them of the compiler's descriptors, which takes a moment. */
export function createRpcMessages(): RpcMessages {
  const method = readRegistry().getService("tokenverifier.v1.TokenVerifier")?.method["verifyToken"];
  if (method === undefined) throw new Error("the descriptors lack VerifyToken");
  return {
    read: (codec, body) => (codec === "proto" ? readBinary(body) : readJson(method.input, body)),
    write: (codec, verdict) => {
      const bytes = encodeVerdict(verdict);
      const body = codec === "proto" ? bytes : toJsonString(method.output, fromBinary(method.output, bytes));
      return { type: TYPES[codec], body };
    },
  };
}

function readBinary(body: Buffer): VerifyTokenRequest {
  try {
    return VerifyTokenRequest.decode(strictReader(body));
  } catch {
    throw new UnreadableMessage("The body is no VerifyTokenRequest in the binary encoding of protobuf.");
  }
}

function readJson(type: DescMessage, body: Buffer): VerifyTokenRequest {
  const document = readObject(body);
  if (document === undefined) throw new UnreadableMessage(jsonProblem(body));
  const fields = readMessage(type, document.value) as Partial<VerifyTokenRequest>;
  return VerifyTokenRequest.fromPartial(fields);
}
