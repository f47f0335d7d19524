import { isUtf8 } from "node:buffer";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import {
  BatchVerifyTokensRequest,
  StreamVerifyTokensRequest,
  TokenVerifierService,
  VerifyTokenRequest,
} from "../../gen/tokenverifier/v1/token_verifier.js";

/** A message of a stream, and how many bytes it had. */
export interface Sized<Message> {
  readonly message: Message;
  readonly bytes: number;
}

// proto3 wants strings to be UTF-8. The generated code would read bad bytes as U+FFFD, which makes equal what is not.
function decodeUtf8(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new TypeError("a string is not UTF-8");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

const strictly = (bytes: Buffer): BinaryReader => new BinaryReader(bytes, decodeUtf8);

// Handlers encode their answers themselves, around the bytes that are at hand.
const asIs = (bytes: Buffer): Buffer => bytes;

const { verifyToken, batchVerifyTokens, streamVerifyTokens } = TokenVerifierService;

/** The contract's service for grpc-js: requests are read strictly (what cannot be read is INTERNAL), answers are bytes. */
export const SERVICE_DEFINITION = {
  verifyToken: {
    ...verifyToken,
    requestDeserialize: (bytes: Buffer): VerifyTokenRequest => VerifyTokenRequest.decode(strictly(bytes)),
    responseSerialize: asIs,
  },
  batchVerifyTokens: {
    ...batchVerifyTokens,
    requestDeserialize: (bytes: Buffer): BatchVerifyTokensRequest => BatchVerifyTokensRequest.decode(strictly(bytes)),
    responseSerialize: asIs,
  },
  streamVerifyTokens: {
    ...streamVerifyTokens,
    requestDeserialize: (bytes: Buffer): Sized<StreamVerifyTokensRequest> => ({
      message: StreamVerifyTokensRequest.decode(strictly(bytes)),
      bytes: bytes.length,
    }),
    responseSerialize: asIs,
  },
};

/** The service's full name, as health and reflection know it. */
export const SERVICE_NAME = "tokenverifier.v1.TokenVerifier";
