import { TokenVerifierService, WatchChangesRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { strictReader } from "../wire/protobuf.js";
import { readStreamMessage, type StreamMessage } from "../wire/requests.js";

/** A message of a stream, and how many bytes it had. */
export interface Sized<Message> {
  readonly message: Message;
  readonly bytes: number;
}

// The handler encodes its answers itself, so that parts encoded before are reused.
const asIs = (bytes: Buffer): Buffer => bytes;

const { streamVerifyTokens, verifyToken, batchVerifyTokens, watchChanges } = TokenVerifierService;

/** The paths of the methods that are answered without grpc-js. */
export const UNARY_PATHS = { verifyToken: verifyToken.path, batchVerifyTokens: batchVerifyTokens.path };

/**
 * The part of the contract's service that grpc-js serves: reads requests strictly (an unreadable one, or one of too many
 * fields, is INTERNAL), and takes answers as bytes.
 *
 * @param batch `limits.batch`; a longer list is not decoded
 */
export function serviceDefinition(batch: number) {
  return {
    streamVerifyTokens: {
      ...streamVerifyTokens,
      requestDeserialize: (bytes: Buffer): Sized<StreamMessage> => ({
        message: readStreamMessage(bytes, batch),
        bytes: bytes.length,
      }),
      responseSerialize: asIs,
    },
  };
}

/** WatchChanges, served where there are changes to watch: its answers are encoded once for all watchers. */
export const WATCH_DEFINITION = {
  watchChanges: {
    ...watchChanges,
    requestDeserialize: (bytes: Buffer): WatchChangesRequest => WatchChangesRequest.decode(strictReader(bytes)),
    responseSerialize: asIs,
  },
};

/** The service's full name, as health and reflection know it. */
export const SERVICE_NAME = "tokenverifier.v1.TokenVerifier";
