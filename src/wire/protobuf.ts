import { isUtf8 } from "node:buffer";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Duration } from "../../gen/google/protobuf/duration.js";

// proto3 requires UTF-8 in strings. The generated code would read bad bytes as U+FFFD, and so take different strings for equal.
function decodeUtf8(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new TypeError("a string is not UTF-8");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

/** The number of fields that one request may have, nested and unknown ones included. */
export const REQUEST_FIELDS = 1000;

/**
 * A reader for the generated code's `decode` that throws at strings that are not UTF-8, and at too many fields: an
 * unknown field takes two bytes, and decoding megabytes of them would block all other calls.
 *
 * @param fields the number of fields that the message may have, nested and unknown ones included
 */
export function strictReader(bytes: Buffer, fields = REQUEST_FIELDS): BinaryReader {
  const reader = new BinaryReader(bytes, decodeUtf8);
  // `uint32` reads each field's tag, and the length of many: at most two calls a field, at least one byte each.
  let left = 2 * fields;
  if (bytes.length <= left) return reader;
  const { uint32 } = reader;
  reader.uint32 = () => {
    if (--left < 0) throw new RangeError("a message has too many fields");
    return uint32.call(reader);
  };
  return reader;
}

/** A `google.protobuf.Duration` of a number of milliseconds. */
export function durationFromMillis(millis: number): Duration {
  const seconds = Math.trunc(millis / 1000);
  return { seconds: BigInt(seconds), nanos: Math.min(999_999_999, Math.round((millis - seconds * 1000) * 1e6)) };
}

/** The milliseconds of a `google.protobuf.Duration`. */
export function millisFromDuration(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}
