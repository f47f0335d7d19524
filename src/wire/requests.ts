import {
  BatchVerifyTokensRequest,
  StreamVerifyTokensRequest,
  VerifyTokenRequest,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import { REQUEST_FIELDS, strictReader } from "./protobuf.js";

// Reads the contract's requests. Each function throws for bytes that are no such message, and for too many fields.

/** Fields that each request of a batch may have on average, besides those of a single one; a request has about 7. */
const ITEM_FIELDS = 16;

const NOTHING = VerifyTokenRequest.fromPartial({});

/** Reads a `VerifyTokenRequest`. */
export function readRequest(bytes: Buffer): VerifyTokenRequest {
  return VerifyTokenRequest.decode(strictReader(bytes));
}

/**
 * Reads the requests of a `BatchVerifyTokensRequest`. A list of more than `most` is not decoded: it comes as one of `most`
 * + 1 empty requests.
 */
export function readBatch(bytes: Buffer, most: number): readonly VerifyTokenRequest[] {
  return tooMany(bytes, 1, most) ?? BatchVerifyTokensRequest.decode(strictReader(bytes, fieldsOf(most))).requests;
}

/** Reads a `StreamVerifyTokensRequest`, its requests as {@link readBatch} does. */
export function readStreamMessage(bytes: Buffer, most: number): StreamVerifyTokensRequest {
  const requests = tooMany(bytes, 2, most);
  if (requests !== undefined) return { id: "", requests };
  return StreamVerifyTokensRequest.decode(strictReader(bytes, fieldsOf(most)));
}

/** The number of fields that a list of this many requests may have. */
const fieldsOf = (most: number): number => REQUEST_FIELDS + ITEM_FIELDS * most;

/**
 * For a list of more requests than a batch may have, a list of empty requests that is one too long; undefined for any
 * other. A request may take two bytes, and reading four megabytes of them would block the process.
 */
function tooMany(bytes: Buffer, field: number, most: number): VerifyTokenRequest[] | undefined {
  // A request takes two bytes at least.
  if (bytes.length <= 2 * most) return undefined;
  const reader = strictReader(bytes, fieldsOf(most));
  for (let count = 0; reader.pos < reader.len; ) {
    const [number, wireType] = reader.tag();
    if (number === field && ++count > most) return Array.from({ length: most + 1 }, () => NOTHING);
    reader.skip(wireType, number);
  }
  return undefined;
}
