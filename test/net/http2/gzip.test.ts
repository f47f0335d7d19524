import { crc32, deflateRawSync, gzipSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { unpack, unpackedLength } from "../../../src/net/http2/gzip.js";

const unpacked = (packed: Buffer): Promise<Buffer | undefined> => new Promise((resolve) => unpack(packed, resolve));

/** A member of RFC 1952 with these flags, and what they announce. */
function member(content: Buffer, flags: number, more: Buffer): Buffer {
  const head = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 255]), more]);
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(crc32(content), 0);
  tail.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, deflateRawSync(content), tail]);
}

const TEXT = Buffer.from("what was packed");
const PACKED = gzipSync(TEXT);
const LARGE = gzipSync(Buffer.alloc(100_000));
/** Puts bytes before the tail of a message. */
const amid = (packed: Buffer, more: number[]): Buffer =>
  Buffer.concat([packed.subarray(0, -8), Buffer.from(more), packed.subarray(-8)]);
const saying = (packed: Buffer, length: number): Buffer => {
  const copy = Buffer.from(packed);
  copy.writeUInt32LE(length, copy.length - 4);
  return copy;
};

describe("gzip messages", () => {
  it("a message comes out as it was packed, and says its length before", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), fc.integer({ min: 0, max: 9 }), async (content, level) => {
        const packed = gzipSync(content, { level });
        expect(unpackedLength(packed)).to.equal(content.length);
        expect((await unpacked(packed))?.equals(content)).to.equal(true);
      }),
    );
  });

  it("a small message is unpacked at once, and a larger one later", async () => {
    let done = false;
    unpack(PACKED, () => {
      done = true;
    });
    expect(done, "small").to.equal(true);
    const later = new Promise((resolve) => {
      let isLater = false;
      unpack(LARGE, () => resolve(isLater));
      isLater = true;
    });
    expect(await later, "large").to.equal(true);
  });

  const head = member(TEXT, 2, Buffer.alloc(2));
  head.writeUInt16LE(crc32(head.subarray(0, 10)) & 0xffff, 10);
  const forms: Readonly<Record<string, Buffer>> = {
    "a name": member(TEXT, 8, Buffer.from("a name\0")),
    "a comment": member(TEXT, 16, Buffer.from("words\0")),
    "a name and a comment": member(TEXT, 24, Buffer.from("a\0b\0")),
    "extra fields": member(TEXT, 4, Buffer.from([3, 0, 1, 2, 3])),
    "a checksum of its head": head,
  };
  for (const [what, packed] of Object.entries(forms)) {
    it(`a message with ${what} is unpacked`, async () => {
      expect((await unpacked(packed))?.equals(TEXT)).to.equal(true);
    });
  }

  const malformed: Readonly<Record<string, Buffer>> = {
    "no bytes": Buffer.alloc(0),
    "another format": Buffer.from("not packed at all, but long enough"),
    "two members": Buffer.concat([PACKED, PACKED]),
    "an empty member before it": Buffer.concat([gzipSync(""), PACKED]),
    "two large members": Buffer.concat([LARGE, LARGE]),
    "a byte behind it": Buffer.concat([PACKED, Buffer.alloc(1)]),
    "a byte before its tail": amid(PACKED, [0]),
    "a byte before its tail, and a large content": amid(LARGE, [0]),
    "its last byte missing": PACKED.subarray(0, -1),
    "a length that is too small": saying(PACKED, TEXT.length - 1),
    "a length that is too large": saying(PACKED, TEXT.length + 1),
    "a large content and a small length": saying(LARGE, 10),
    "a small content and a large length": saying(PACKED, 90_000),
    "another checksum": Buffer.concat([PACKED.subarray(0, -8), Buffer.alloc(4), PACKED.subarray(-4)]),
    "reserved flags": member(TEXT, 0x20, Buffer.alloc(0)),
    "a name without an end": Buffer.from([0x1f, 0x8b, 8, 8, ...Buffer.alloc(30, 1)]),
    "extra fields beyond its end": member(TEXT, 4, Buffer.from([255, 255])),
    "another checksum of its head": member(TEXT, 2, Buffer.alloc(2)),
  };
  for (const [what, packed] of Object.entries(malformed)) {
    it(`a message with ${what} is malformed`, async () => {
      expect(await unpacked(packed)).to.equal(undefined);
    });
  }

  it("no bytes make it throw", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.boolean(), async (bytes, begins) => {
        await unpacked(Buffer.concat([begins ? PACKED.subarray(0, 3) : Buffer.alloc(0), bytes]));
      }),
    );
  });
});
