import type { StreamVerifyTokensRequest, VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { TokenVerifierService } from "../../gen/tokenverifier/v1/token_verifier.js";
import { readBatch, readRequest, readStreamMessage } from "../wire/requests.js";

/** A message of a stream, and how many bytes it had. */
export interface Sized<Message> {
  readonly message: Message;
  readonly bytes: number;
}

// Handlers encode their answers themselves, so that parts encoded before are reused.
const asIs = (bytes: Buffer): Buffer => bytes;

const { verifyToken, batchVerifyTokens, streamVerifyTokens } = TokenVerifierService;

/**
 * The contract's service for grpc-js: reads requests strictly (an unreadable one, or one of too many fields, is INTERNAL),
 * and takes answers as bytes.
 *
 * @param batch `limits.batch`; a longer list is not decoded
 */
export function serviceDefinition(batch: number) {
  return {
    verifyToken: { ...verifyToken, requestDeserialize: readRequest, responseSerialize: asIs },
    batchVerifyTokens: {
      ...batchVerifyTokens,
      requestDeserialize: (bytes: Buffer): readonly VerifyTokenRequest[] => readBatch(bytes, batch),
      responseSerialize: asIs,
    },
    streamVerifyTokens: {
      ...streamVerifyTokens,
      requestDeserialize: (bytes: Buffer): Sized<StreamVerifyTokensRequest> => ({
        message: readStreamMessage(bytes, batch),
        bytes: bytes.length,
      }),
      responseSerialize: asIs,
    },
  };
}

/** The service's full name, as health and reflection know it. */
export const SERVICE_NAME = "tokenverifier.v1.TokenVerifier";
