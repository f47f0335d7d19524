import { isUtf8 } from "node:buffer";
import { WireType } from "@bufbuild/protobuf/wire";
import type { ClientCertificate, Credential, DpopProof, Proof, VerificationRequest } from "../contract/verifier.js";
import { Secret } from "../util/secret.js";

// Reads requests in their usual form straight from the bytes. Plain are: known fields, each at most once, one member of a
// oneof, tags of one byte, lengths in their shortest form, UTF-8, and nothing that reaches past the end of its message. All
// else is left to the generated code, with its rules about repeated fields, groups and overlong numbers. A plain request has
// at most 15 fields with its own tag in a list, fewer than a reader must bound.

/** Thrown for a message that is not plain; it may still be readable. */
export const NOT_PLAIN = new Error("the message is not plain");

/** The tags of a message's fields, by the field's number. */
type Tags = readonly number[];

const delimited = (number: number): number => (number << 3) | WireType.LengthDelimited;
const isDelimited = (tag: number): boolean => (tag & 7) === delimited(0);
const varint = (number: number): number => (number << 3) | WireType.Varint;

/** The tag of field 0, which no message has. */
const NONE = -1;

const VERIFY_TOKEN_REQUEST: Tags = [
  NONE,
  delimited(1),
  delimited(2),
  delimited(3),
  delimited(4),
  varint(5),
  delimited(6),
];
const CLIENT_CREDENTIALS: Tags = [NONE, delimited(1), delimited(2)];
const PROOF: Tags = [NONE, delimited(1), delimited(2)];
const DPOP_PROOF: Tags = [NONE, delimited(1), delimited(2), delimited(3), varint(4)];
const CLIENT_CERTIFICATE: Tags = [NONE, delimited(1), delimited(2)];

/** Where the fields of a message begin and end, at twice their numbers and one after; an end of 0 for an absent field. */
type Spans = Int32Array;

const startOf = (spans: Spans, number: number): number => spans[2 * number] ?? 0;
const endOf = (spans: Spans, number: number): number => spans[2 * number + 1] ?? 0;
const has = (spans: Spans, number: number): boolean => endOf(spans, number) !== 0;

/** Finds the fields of the message between two places. @param spans to fill @throws {@link NOT_PLAIN} */
function spansOf(
  bytes: Buffer,
  start: number,
  end: number,
  tags: Tags,
  spans = new Int32Array(2 * tags.length),
): Spans {
  spans.fill(0);
  for (let at = start; at < end; ) {
    const tag = bytes[at++] ?? 0;
    const number = tag >>> 3;
    if (tags[number] !== tag || has(spans, number)) throw NOT_PLAIN;
    let length = 1;
    if (isDelimited(tag)) {
      length = lengthAt(bytes, at);
      at += sizeOfLength(length);
    }
    spans[2 * number] = at;
    at += length;
    if (at > end) throw NOT_PLAIN;
    spans[2 * number + 1] = at;
  }
  return spans;
}

/** The length at a place, below 2^28 and in its shortest form. @throws {@link NOT_PLAIN} */
export function lengthAt(bytes: Buffer, at: number): number {
  let length = 0;
  for (let index = 0; index < 4; index++) {
    const byte = bytes[at + index] ?? 128;
    length |= (byte & 127) << (7 * index);
    if (byte >= 128) continue;
    if (byte === 0 && index > 0) break;
    return length;
  }
  throw NOT_PLAIN;
}

/** How many bytes a length takes in its shortest form. */
export const sizeOfLength = (length: number): number =>
  length < 2 ** 7 ? 1 : length < 2 ** 14 ? 2 : length < 2 ** 21 ? 3 : 4;

/** The string between two places. @throws {@link NOT_PLAIN} */
export function textAt(bytes: Buffer, start: number, end: number): string {
  if (start === end) return "";
  const text = bytes.toString("utf8", start, end);
  // ASCII if it is as long as its bytes and has no sign that replaces bad ones, which is found much faster than isUtf8 tells.
  if (text.length === end - start && !text.includes("\ufffd")) return text;
  if (!isUtf8(bytes.subarray(start, end))) throw NOT_PLAIN;
  return text;
}

/** A string field, empty if absent. @throws {@link NOT_PLAIN} */
const textOf = (bytes: Buffer, spans: Spans, number: number): string =>
  textAt(bytes, startOf(spans, number), endOf(spans, number));

const secretOf = (bytes: Buffer, spans: Spans, number: number): Secret => new Secret(textOf(bytes, spans, number));

/** A flag of one byte, false if absent. @throws {@link NOT_PLAIN} */
function flagOf(bytes: Buffer, spans: Spans, number: number): boolean {
  if (!has(spans, number)) return false;
  const byte = bytes[startOf(spans, number)] ?? 128;
  if (byte >= 128) throw NOT_PLAIN;
  return byte !== 0;
}

/** Longest name of a realm that is kept, in bytes. */
const MAX_NAME = 64;

/** How many names of realms are kept. A power of two. */
const MAX_NAMES = 64;

/** Names of realms that were read lately, so that a name read again is the same string, and is not decoded. */
const NAMES: string[] = Array<string>(MAX_NAMES).fill("");

/** The name of a realm. @throws {@link NOT_PLAIN} */
function realmAt(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length === 0 || length > MAX_NAME) return textAt(bytes, start, end);
  const place = (length + 7 * (bytes[start] ?? 0) + 31 * (bytes[end - 1] ?? 0)) & (MAX_NAMES - 1);
  const kept = NAMES[place] ?? "";
  if (kept.length === length) {
    let index = 0;
    while (index < length && kept.charCodeAt(index) === bytes[start + index]) index++;
    if (index === length) return kept;
  }
  const name = textAt(bytes, start, end);
  // Only ASCII can be found by its bytes.
  if (name.length === length) NAMES[place] = name;
  return name;
}

const credentialReaders = {
  3: (bytes: Buffer, start: number, end: number): Credential => ({
    kind: "instance",
    secretKey: new Secret(textAt(bytes, start, end)),
  }),
  4: (bytes: Buffer, start: number, end: number): Credential => {
    const spans = spansOf(bytes, start, end, CLIENT_CREDENTIALS);
    return { kind: "client", clientId: textOf(bytes, spans, 1), clientSecret: secretOf(bytes, spans, 2) };
  },
};

/** The proof between two places; undefined if it has neither member. @throws {@link NOT_PLAIN} */
function proofAt(bytes: Buffer, start: number, end: number): Proof | undefined {
  const spans = spansOf(bytes, start, end, PROOF);
  const dpop = has(spans, 1) ? dpopAt(bytes, startOf(spans, 1), endOf(spans, 1)) : undefined;
  const clientCertificate = has(spans, 2) ? certificateAt(bytes, startOf(spans, 2), endOf(spans, 2)) : undefined;
  return dpop === undefined && clientCertificate === undefined ? undefined : { dpop, clientCertificate };
}

function dpopAt(bytes: Buffer, start: number, end: number): DpopProof {
  const spans = spansOf(bytes, start, end, DPOP_PROOF);
  return {
    proof: secretOf(bytes, spans, 1),
    method: textOf(bytes, spans, 2),
    url: textOf(bytes, spans, 3),
    nonceRequired: flagOf(bytes, spans, 4),
  };
}

/** A certificate without a form reads as one of no bytes. */
function certificateAt(bytes: Buffer, start: number, end: number): ClientCertificate {
  const spans = spansOf(bytes, start, end, CLIENT_CERTIFICATE);
  if (has(spans, 1) && has(spans, 2)) throw NOT_PLAIN;
  const number = has(spans, 2) ? 2 : 1;
  return {
    form: number === 2 ? "der" : "sha256",
    bytes: bytes.subarray(startOf(spans, number), endOf(spans, number)),
  };
}

function isSame(bytes: Buffer, start: number, end: number, other: number, otherEnd: number): boolean {
  if (end - start !== otherEnd - other) return false;
  for (let at = start, to = other; at < end; at++, to++) if (bytes[at] !== bytes[to]) return false;
  return true;
}

/** Reads the plain requests of one message. Requests in a row with the same credential share one object for it. */
export class PlainReader {
  readonly #bytes: Buffer;
  readonly #spans = new Int32Array(2 * VERIFY_TOKEN_REQUEST.length);
  #credential: Credential | undefined;
  #number: 3 | 4 = 3;
  #start = 0;
  #end = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The request between two places. @throws {@link NOT_PLAIN} */
  request(start: number, end: number): VerificationRequest {
    const bytes = this.#bytes;
    const spans = spansOf(bytes, start, end, VERIFY_TOKEN_REQUEST, this.#spans);
    return {
      realm: realmAt(bytes, startOf(spans, 1), endOf(spans, 1)),
      token: secretOf(bytes, spans, 2),
      credential: this.#credentialOf(spans),
      workload: undefined,
      explain: flagOf(bytes, spans, 5),
      proof: has(spans, 6) ? proofAt(bytes, startOf(spans, 6), endOf(spans, 6)) : undefined,
    };
  }

  #credentialOf(spans: Spans): Credential | undefined {
    const number = has(spans, 3) ? 3 : 4;
    const start = startOf(spans, number);
    const end = endOf(spans, number);
    if (end === 0) return undefined;
    if (number === 3 && has(spans, 4)) throw NOT_PLAIN;
    const isRepeated = number === this.#number && isSame(this.#bytes, start, end, this.#start, this.#end);
    if (this.#credential !== undefined && isRepeated) return this.#credential;
    this.#credential = credentialReaders[number](this.#bytes, start, end);
    this.#number = number;
    this.#start = start;
    this.#end = end;
    return this.#credential;
  }

  /**
   * The requests of a message that consists of nothing else from `start` on, each in a field of this number; at most one
   * more than `most`, and the rest is not read. @throws {@link NOT_PLAIN}
   */
  requests(start: number, number: number, most: number): VerificationRequest[] {
    const bytes = this.#bytes;
    const requests: VerificationRequest[] = [];
    for (let at = start; at < bytes.length && requests.length <= most; ) {
      if (bytes[at++] !== delimited(number)) throw NOT_PLAIN;
      const length = lengthAt(bytes, at);
      at += sizeOfLength(length);
      if (at + length > bytes.length) throw NOT_PLAIN;
      requests.push(this.request(at, at + length));
      at += length;
    }
    return requests;
  }
}
