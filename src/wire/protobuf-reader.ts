import { isUtf8 } from "node:buffer";
import { BinaryReader } from "@bufbuild/protobuf/wire";

// proto3 wants strings to be UTF-8. The generated code would read bad bytes as U+FFFD, which makes equal what is not.
function decodeUtf8(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new TypeError("a string is not UTF-8");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

/** Fields that one request may have, nested and unknown ones too. */
export const REQUEST_FIELDS = 1000;

/**
 * A reader for the generated code's `decode`, which throws at strings that are not UTF-8, and at more fields than there may
 * be: two bytes make one that nobody knows, and megabytes of them would keep everybody else waiting.
 *
 * @param fields how many there may be at the most, nested and unknown ones too
 */
export function strictReader(bytes: Buffer, fields = REQUEST_FIELDS): BinaryReader {
  const reader = new BinaryReader(bytes, decodeUtf8);
  // Each field has a tag, and many have a length: all of them are read by this. Fewer bytes cannot hold more.
  let left = 2 * fields;
  if (bytes.length <= left) return reader;
  const { uint32 } = reader;
  reader.uint32 = () => {
    if (--left < 0) throw new RangeError("a message has too many fields");
    return uint32.call(reader);
  };
  return reader;
}
