import {
  BatchVerifyTokensRequest,
  StreamVerifyTokensRequest,
  VerifyTokenRequest,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import type { VerificationRequest } from "../contract/verifier.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { requestFromWire } from "./messages.js";
import { lengthAt, NOT_PLAIN, PlainReader, sizeOfLength, textAt } from "./plain-request.js";
import { REQUEST_FIELDS, strictReader } from "./protobuf.js";

// Reads the contract's requests. Each function throws for bytes that are no such message, and for too many fields.

/** Fields that each request of a batch may have on average, besides those of a single one; a request has about 7. */
const ITEM_FIELDS = 16;

const NOTHING: VerificationRequest = requestFromWire(VerifyTokenRequest.fromPartial({}));

/** Reads a `VerifyTokenRequest`, without its workload. */
export function readRequest(bytes: Buffer): VerificationRequest {
  return (
    plainly(() => new PlainReader(bytes).request(0, bytes.length)) ??
    requestFromWire(VerifyTokenRequest.decode(strictReader(bytes)))
  );
}

/** A request that came over a connection whose client certificate has these names, which no message contains. */
export const withWorkload = (request: VerificationRequest, workload: WorkloadNames | undefined): VerificationRequest =>
  workload === undefined ? request : { ...request, workload };

/**
 * Reads the requests of a `BatchVerifyTokensRequest`, without their workload. A list of more than `most` is not read to its
 * end: it comes as one of `most` + 1 requests.
 */
export function readBatch(bytes: Buffer, most: number): readonly VerificationRequest[] {
  return (
    plainly(() => new PlainReader(bytes).requests(0, 1, most)) ??
    tooMany(bytes, 1, most) ??
    BatchVerifyTokensRequest.decode(strictReader(bytes, fieldsOf(most))).requests.map((one) => requestFromWire(one))
  );
}

/** A message of a stream. */
export interface StreamMessage {
  /** Empty if the message has too many requests. */
  readonly id: string;
  readonly requests: readonly VerificationRequest[];
}

/** Reads a `StreamVerifyTokensRequest`, its requests as {@link readBatch} does. */
export function readStreamMessage(bytes: Buffer, most: number): StreamMessage {
  const plain = plainly(() => plainStreamMessage(bytes, most));
  if (plain !== undefined) return plain;
  const many = tooMany(bytes, 2, most);
  if (many !== undefined) return { id: "", requests: many };
  const { id, requests } = StreamVerifyTokensRequest.decode(strictReader(bytes, fieldsOf(most)));
  return { id, requests: requests.map((one) => requestFromWire(one)) };
}

function plainStreamMessage(bytes: Buffer, most: number): StreamMessage {
  let [start, end] = [0, 0];
  if (bytes[0] === 10) {
    const length = lengthAt(bytes, 1);
    start = 1 + sizeOfLength(length);
    end = start + length;
    if (end > bytes.length) throw NOT_PLAIN;
  }
  const id = textAt(bytes, start, end);
  const requests = new PlainReader(bytes).requests(end, 2, most);
  return { id: requests.length > most ? "" : id, requests };
}

/** Reads a plain message; undefined if it is not plain. */
function plainly<Message>(read: () => Message): Message | undefined {
  try {
    return read();
  } catch (error) {
    if (error !== NOT_PLAIN) throw error;
    return undefined;
  }
}

/** The number of fields that a list of this many requests may have. */
const fieldsOf = (most: number): number => REQUEST_FIELDS + ITEM_FIELDS * most;

/**
 * For a list of more requests than a batch may have, a list of empty requests that is one too long; undefined for any
 * other. A request may take two bytes, and reading four megabytes of them would block the process.
 */
function tooMany(bytes: Buffer, field: number, most: number): readonly VerificationRequest[] | undefined {
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
