import { constants, crc32, inflateRaw, inflateRawSync } from "node:zlib";

/** Bytes up to which a message is unpacked at once, without leaving the event loop's thread. */
const AT_ONCE = 16 * 1024;

/** Bytes of a member's fixed head and tail (RFC 1952, section 2.3). */
const HEAD = 10;
const TAIL = 8;

/** The most bytes that one byte of deflate can stand for: no message says truly that it unpacks to more. */
const MAX_RATIO = 1032;

/** The flags of a member's head that announce more of it (RFC 1952, section 2.3.1). */
const FLAGS = { headCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 };

/** A member's compressed bytes, and what its tail says of the others. */
interface Member {
  readonly deflated: Buffer;
  readonly crc: number;
  readonly length: number;
}

/** Bytes that a message says it unpacks to (RFC 1952, ISIZE); no more are ever unpacked. Undefined for none. */
export const unpackedLength = (packed: Buffer): number | undefined => readMember(packed)?.length;

/**
 * Unpacks a gzip message of one member with nothing behind it: at once if it is small, otherwise on another thread.
 *
 * @param done called with the unpacked bytes, or with undefined if the message is malformed; before the function returns if
 * it was unpacked at once
 */
export function unpack(packed: Buffer, done: (bytes: Buffer | undefined) => void): void {
  const member = readMember(packed);
  if (member === undefined) {
    done(undefined);
    return;
  }
  // One byte more shows a member that is longer than it says.
  const options = { info: true, finishFlush: constants.Z_FINISH, maxOutputLength: member.length + 1 };
  if (packed.length > AT_ONCE || member.length > AT_ONCE) {
    inflateRaw(member.deflated, options, (error, inflated) => done(error ? undefined : checked(member, inflated)));
    return;
  }
  let inflated: unknown;
  try {
    inflated = inflateRawSync(member.deflated, options);
  } catch {
    done(undefined);
    return;
  }
  done(checked(member, inflated));
}

/** Reads head and tail of a message; undefined if they are malformed. */
function readMember(packed: Buffer): Member | undefined {
  if (packed.length < HEAD + TAIL || packed.readUIntBE(0, 3) !== 0x1f8b08) return undefined;
  const flags = packed[3] ?? 0;
  if ((flags & FLAGS.reserved) !== 0) return undefined;
  let at = HEAD;
  if ((flags & FLAGS.extra) !== 0) at += 2 + packed.readUInt16LE(at);
  for (const text of [FLAGS.name, FLAGS.comment]) {
    if ((flags & text) === 0) continue;
    const end = packed.indexOf(0, at);
    if (end < 0) return undefined;
    at = end + 1;
  }
  if ((flags & FLAGS.headCrc) !== 0) {
    // The low half of the CRC-32 of all before it.
    if (packed.length < at + 2 || packed.readUInt16LE(at) !== (crc32(packed.subarray(0, at)) & 0xffff))
      return undefined;
    at += 2;
  }
  const end = packed.length - TAIL;
  if (at > end || packed.readUInt32LE(end + 4) > MAX_RATIO * packed.length) return undefined;
  return { deflated: packed.subarray(at, end), crc: packed.readUInt32LE(end), length: packed.readUInt32LE(end + 4) };
}

/** The unpacked bytes, if they and the place where they ended are what the member says. */
function checked({ deflated, crc, length }: Member, inflated: unknown): Buffer | undefined {
  // With `info`, zlib returns its engine too, whose `bytesWritten` are the compressed bytes that it used.
  const { buffer, engine } = inflated as {
    readonly buffer: Buffer;
    readonly engine: { readonly bytesWritten: number };
  };
  return engine.bytesWritten === deflated.length && buffer.length === length && crc32(buffer) === crc
    ? buffer
    : undefined;
}
