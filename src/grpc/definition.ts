import {
  BatchVerifyTokensRequest,
  StreamVerifyTokensRequest,
  TokenVerifierService,
  VerifyTokenRequest,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import { REQUEST_FIELDS, strictReader } from "../wire/protobuf.js";
import { ITEM_FIELDS } from "./limits.js";

/** A message of a stream, and how many bytes it had. */
export interface Sized<Message> {
  readonly message: Message;
  readonly bytes: number;
}

// Handlers encode their answers themselves, so that parts encoded before are reused.
const asIs = (bytes: Buffer): Buffer => bytes;

const { verifyToken, batchVerifyTokens, streamVerifyTokens } = TokenVerifierService;

const NOTHING = VerifyTokenRequest.fromPartial({});

/**
 * For a list of more requests than a batch may have, a list of empty requests that is one too long; undefined for any
 * other. A request may take two bytes, and reading four megabytes of them would block the process.
 */
function tooMany(bytes: Buffer, field: number, most: number, fields: number): VerifyTokenRequest[] | undefined {
  // A request takes two bytes at least.
  if (bytes.length <= 2 * most) return undefined;
  const reader = strictReader(bytes, fields);
  for (let count = 0; reader.pos < reader.len; ) {
    const [number, wireType] = reader.tag();
    if (number === field && ++count > most) return Array.from({ length: most + 1 }, () => NOTHING);
    reader.skip(wireType, number);
  }
  return undefined;
}

/**
 * The contract's service for grpc-js: reads requests strictly (an unreadable one, or one of too many fields, is INTERNAL),
 * and takes answers as bytes.
 *
 * @param batch `limits.batch`; a longer list is not decoded
 */
export function serviceDefinition(batch: number) {
  const fields = REQUEST_FIELDS + ITEM_FIELDS * batch;
  return {
    verifyToken: {
      ...verifyToken,
      requestDeserialize: (bytes: Buffer): VerifyTokenRequest => VerifyTokenRequest.decode(strictReader(bytes)),
      responseSerialize: asIs,
    },
    batchVerifyTokens: {
      ...batchVerifyTokens,
      requestDeserialize: (bytes: Buffer): BatchVerifyTokensRequest => {
        const requests = tooMany(bytes, 1, batch, fields);
        return requests === undefined ? BatchVerifyTokensRequest.decode(strictReader(bytes, fields)) : { requests };
      },
      responseSerialize: asIs,
    },
    streamVerifyTokens: {
      ...streamVerifyTokens,
      requestDeserialize: (bytes: Buffer): Sized<StreamVerifyTokensRequest> => {
        const requests = tooMany(bytes, 2, batch, fields);
        const message =
          requests === undefined ? StreamVerifyTokensRequest.decode(strictReader(bytes, fields)) : { id: "", requests };
        return { message, bytes: bytes.length };
      },
      responseSerialize: asIs,
    },
  };
}

/** The service's full name, as health and reflection know it. */
export const SERVICE_NAME = "tokenverifier.v1.TokenVerifier";
