import { isUtf8 } from "node:buffer";
import { BinaryReader } from "@bufbuild/protobuf/wire";

// proto3 wants strings to be UTF-8. The generated code would read bad bytes as U+FFFD, which makes equal what is not.
function decodeUtf8(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new TypeError("a string is not UTF-8");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

/** A reader for the generated code's `decode`, which throws at strings that are not UTF-8. */
export const strictReader = (bytes: Buffer): BinaryReader => new BinaryReader(bytes, decodeUtf8);
