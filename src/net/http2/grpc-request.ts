import type { IncomingHttpHeaders } from "node:http2";

// How a unary request comes over HTTP/2 (gRPC over HTTP/2): the head of its call, and its message.

/** How messages of a call may be compressed (gRPC's compression.md). */
export const ENCODINGS = "identity,gzip";

/** The content types of gRPC with protobuf messages; parameters are ignored. */
const CONTENT_TYPE = /^application\/grpc(?:\+proto)?[ \t]*(?:;|$)/i;

/**
 * The HTTP status of a call that is none of gRPC over HTTP/2: 405 for a method other than POST, 415 for another content
 * type, such as gRPC-Web's or JSON's. Undefined for any other call.
 */
export function foreignStatus(headers: IncomingHttpHeaders): 405 | 415 | undefined {
  if (headers[":method"] !== "POST") return 405;
  const type = headers["content-type"];
  // The first is what gRPC libraries send.
  return type === "application/grpc" || (type !== undefined && CONTENT_TYPE.test(type)) ? undefined : 415;
}

/** Milliseconds of the units of `grpc-timeout`. */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

const TIMEOUT = /^(\d{1,8})([HMSmun])$/;

/**
 * Reads the value of `grpc-timeout` (gRPC over HTTP/2: 1 to 8 digits and a unit).
 *
 * @returns milliseconds; Infinity for no value; undefined for a malformed one
 */
export function readTimeout(value: string | readonly string[] | undefined): number | undefined {
  if (value === undefined) return Infinity;
  const [, digits, unit = ""] = TIMEOUT.exec(String(value)) ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNITS[unit] as number);
}

/** Bytes of a message's head (gRPC over HTTP/2, Length-Prefixed-Message): a flag and a length. */
export const MESSAGE_HEAD = 5;

/** What has arrived of a call's message: all of it, too much of it, or a second one after it. */
export type Arrival = "partial" | "whole" | "large" | "second";

/** The smallest buffer for a message that arrives in pieces. */
const SMALLEST = 1024;

const NONE = Buffer.alloc(0);

/**
 * Collects the one message of a unary call from the chunks of its data, however they are divided. A message in one
 * chunk, as most are, is not copied.
 */
export class MessageCollector {
  /** The message without its head, once it is whole. */
  message: Buffer = NONE;
  /** Whether it is flagged as compressed. */
  compressed = false;
  /** The length that the last head announced. */
  length = 0;
  readonly #most: number;
  #arrival: Arrival = "partial";
  /** What has arrived of the message with its head: the first `#end` bytes. */
  #pieces = NONE;
  #end = 0;

  /** @param most bytes that a message may have */
  constructor(most: number) {
    this.#most = most;
  }

  /** Takes the next chunk. @returns what has arrived so far; "large" and "second" are for good */
  take(chunk: Buffer): Arrival {
    if (this.#arrival === "partial" && this.#end === 0 && this.#takeWhole(chunk)) return this.#arrival;
    for (let at = 0; at < chunk.length && (this.#arrival === "partial" || this.#arrival === "whole"); ) {
      at += this.#takePiece(chunk, at);
    }
    return this.#arrival;
  }

  /** Takes a chunk that is the head and the whole of a message. @returns false if it is not that */
  #takeWhole(chunk: Buffer): boolean {
    if (chunk.length < MESSAGE_HEAD || this.#readLength(chunk) !== chunk.length - MESSAGE_HEAD) return false;
    if (this.length > this.#most) return false;
    this.compressed = chunk[0] === 1;
    this.message = chunk.subarray(MESSAGE_HEAD);
    this.#arrival = "whole";
    return true;
  }

  /** Takes bytes up to the end of a head or of a message. @returns how many */
  #takePiece(chunk: Buffer, at: number): number {
    const isSecond = this.#arrival === "whole";
    const goal = this.#end < MESSAGE_HEAD ? MESSAGE_HEAD : MESSAGE_HEAD + this.length;
    const taken = Math.min(goal - this.#end, chunk.length - at);
    // Of a second message only the head is looked at.
    if (!isSecond || this.#end < MESSAGE_HEAD) this.#keep(chunk, at, taken);
    this.#end += taken;
    if (this.#end < goal) return taken;
    if (goal === MESSAGE_HEAD) {
      this.length = this.#readLength(this.#pieces);
      if (this.length > this.#most) this.#arrival = "large";
      if (this.length > 0) return taken;
    }
    if (this.#arrival === "large") return taken;
    if (isSecond) this.#arrival = "second";
    else this.#finish();
    return taken;
  }

  #finish(): void {
    this.compressed = this.#pieces[0] === 1;
    this.message = this.#pieces.subarray(MESSAGE_HEAD, this.#end);
    this.#arrival = "whole";
    this.#pieces = NONE;
    this.#end = 0;
  }

  /** Copies bytes behind the others: slices would keep whole reads of the connection, and cost more than a small piece. */
  #keep(chunk: Buffer, at: number, count: number): void {
    if (this.#pieces.length < this.#end + count) {
      const larger = Buffer.allocUnsafeSlow(Math.max(SMALLEST, 2 * this.#pieces.length, this.#end + count));
      this.#pieces.copy(larger, 0, 0, this.#end);
      this.#pieces = larger;
    }
    chunk.copy(this.#pieces, this.#end, at, at + count);
  }

  #readLength(bytes: Buffer): number {
    this.length = bytes.readUInt32BE(1);
    return this.length;
  }
}
