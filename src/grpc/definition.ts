import {
  BatchVerifyTokensRequest,
  StreamVerifyTokensRequest,
  TokenVerifierService,
  VerifyTokenRequest,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import { ITEM_FIELDS } from "../net/http2/limits.js";
import { REQUEST_FIELDS, strictReader } from "../wire/protobuf.js";

/** A message of a stream, and how many bytes it had. */
export interface Sized<Message> {
  readonly message: Message;
  readonly bytes: number;
}

// Handlers encode their answers themselves, around the bytes that are at hand.
const asIs = (bytes: Buffer): Buffer => bytes;

const { verifyToken, batchVerifyTokens, streamVerifyTokens } = TokenVerifierService;

const NOTHING = VerifyTokenRequest.fromPartial({});

/**
 * A list that is longer than a batch may be, of nothing: what stands for one that was not read. Two bytes make a request,
 * so four megabytes of them would keep everybody else waiting just to be counted.
 */
function tooMany(bytes: Buffer, field: number, most: number, fields: number): VerifyTokenRequest[] | undefined {
  // Fewer bytes cannot hold more.
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
 * The contract's service for grpc-js: requests are read strictly (what cannot be read, or has too many fields, is INTERNAL),
 * answers are bytes.
 *
 * @param batch `limits.batch`; of a longer list no more is read than that it is longer
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
