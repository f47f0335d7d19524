import { WireType } from "@bufbuild/protobuf/wire";
import type { Instant } from "../contract/verifier.js";

// Writes protobuf messages. A message is a table of its fields in the order of their numbers, each of which is below 16.
// The generated writers take ten times as long: a buffer and a TextEncoder for each message.

/** Writes a field of a message, or nothing if the field has its default value. */
export type FieldWriter<Message> = (out: Writer, of: Message) => void;

/** The fields of a message. */
export type Fields<Message> = readonly FieldWriter<Message>[];

/** Bytes of the buffer that answers are written in, one after the other; a larger one is dropped after its answer. */
const KEPT = 1024 ** 2;

/** Most bytes of a varint of 32 bits. */
const MAX_VARINT = 5;

/** Most bytes of a UTF-16 code unit in UTF-8. */
const MAX_CHARACTER = 3;

/** 2^31: from here on bitwise operators do not do. */
const INT32 = 0x8000_0000;

let shared = Buffer.allocUnsafe(KEPT);

/** Appends fields to a buffer. The length of a nested message is written after its content, which moves if it takes more than a byte. */
export class Writer {
  #bytes = shared;
  /** Where the next byte goes. */
  at: number;

  /** @param room bytes left free before the first field */
  constructor(room: number) {
    this.at = room;
    this.#reserve(0);
  }

  /** A string of UTF-8; lone surrogates become U+FFFD. */
  text(number: number, value: string): void {
    this.#reserve(1 + MAX_VARINT + value.length * MAX_CHARACTER);
    this.#bytes[this.at++] = (number << 3) | WireType.LengthDelimited;
    const start = ++this.at;
    this.at += this.#bytes.write(value, start, "utf8");
    this.#setLength(start);
  }

  /** Bytes. @param value in base64url, without padding */
  base64url(number: number, value: string): void {
    this.#reserve(1 + MAX_VARINT + value.length);
    this.#bytes[this.at++] = (number << 3) | WireType.LengthDelimited;
    const start = ++this.at;
    this.at += this.#bytes.write(value, start, "base64url");
    this.#setLength(start);
  }

  /** A `google.protobuf.Timestamp`, or a `Duration`. */
  time(number: number, seconds: number, nanos: number): void {
    const start = this.begin(number);
    if (seconds !== 0) this.varint(1, seconds);
    if (nanos !== 0) this.varint(2, nanos);
    this.end(start);
  }

  /** A varint. @param value a whole number from -(2^53 - 1) to 2^53 - 1 */
  varint(number: number, value: number): void {
    this.#reserve(1 + 2 * MAX_VARINT);
    this.#bytes[this.at++] = (number << 3) | WireType.Varint;
    if (value < 0) {
      // Two's complement of 64 bits takes ten bytes.
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest > 127n; rest >>= 7n) this.#bytes[this.at++] = Number(rest & 127n) | 128;
      this.#bytes[this.at++] = Number(rest);
      return;
    }
    let rest = value;
    for (; rest >= INT32; rest = Math.floor(rest / 128)) this.#bytes[this.at++] = (rest % 128) | 128;
    for (; rest > 127; rest >>>= 7) this.#bytes[this.at++] = (rest & 127) | 128;
    this.#bytes[this.at++] = rest;
  }

  /** A nested message. */
  message<Message>(number: number, fields: Fields<Message>, of: Message): void {
    const start = this.begin(number);
    this.fields(fields, of);
    this.end(start);
  }

  /** Fields without a message around them. */
  fields<Message>(fields: Fields<Message>, of: Message): void {
    for (let index = 0; index < fields.length; index++) (fields[index] as FieldWriter<Message>)(this, of);
  }

  /** Begins a nested message; give what it returns to {@link end}. */
  begin(number: number): number {
    this.#reserve(2);
    this.#bytes[this.at++] = (number << 3) | WireType.LengthDelimited;
    return ++this.at;
  }

  /** Ends a nested message. */
  end(start: number): void {
    this.#reserve(MAX_VARINT);
    this.#setLength(start);
  }

  /** Bytes that were written before, as {@link copy} returned them. */
  raw(bytes: string): void {
    this.#reserve(bytes.length);
    this.at += this.#bytes.write(bytes, this.at, "latin1");
  }

  /** The bytes from a place on, one character each: half of what a Buffer of so few bytes would take. */
  copy(start: number): string {
    return this.#bytes.toString("latin1", start, this.at);
  }

  /** All bytes, with the room before them. */
  finish(): Buffer {
    const answer = Buffer.allocUnsafe(this.at);
    this.#bytes.copy(answer, 0, 0, this.at);
    if (this.#bytes.length > KEPT) shared = Buffer.allocUnsafe(KEPT);
    return answer;
  }

  /** Writes the length of what was written since `start`, for which there is one byte before it. */
  #setLength(start: number): void {
    const length = this.at - start;
    if (length < 128) {
      this.#bytes[start - 1] = length;
      return;
    }
    let size = 1;
    for (let rest = length; rest > 127; rest >>>= 7) size++;
    this.#bytes.copyWithin(start + size - 1, start, this.at);
    this.at += size - 1;
    let place = start - 1;
    let rest = length;
    for (; rest > 127; rest >>>= 7) this.#bytes[place++] = (rest & 127) | 128;
    this.#bytes[place] = rest;
  }

  #reserve(size: number): void {
    const needed = this.at + size;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.at);
    this.#bytes = larger;
    shared = larger;
  }
}

/** A string; empty is the default. */
export const text =
  <Message>(number: number, read: (of: Message) => string | undefined): FieldWriter<Message> =>
  (out, of) => {
    const value = read(of);
    if (value !== undefined && value !== "") out.text(number, value);
  };

/** Bytes, from base64url; empty is the default. */
export const base64url =
  <Message>(number: number, read: (of: Message) => string): FieldWriter<Message> =>
  (out, of) => {
    const value = read(of);
    if (value !== "") out.base64url(number, value);
  };

/** An optional string, for which empty is not absent. */
export const optionalText =
  <Message>(number: number, read: (of: Message) => string | undefined): FieldWriter<Message> =>
  (out, of) => {
    const value = read(of);
    if (value !== undefined) out.text(number, value);
  };

/** A list of strings. */
export const texts =
  <Message>(number: number, read: (of: Message) => readonly string[]): FieldWriter<Message> =>
  (out, of) => {
    for (const value of read(of)) out.text(number, value);
  };

/** A number of 32 or 64 bits, or an enum's; 0 is the default. */
export const whole =
  <Message>(number: number, read: (of: Message) => number): FieldWriter<Message> =>
  (out, of) => {
    const value = read(of);
    if (value !== 0) out.varint(number, value);
  };

/** A boolean; false is the default. */
export const flag =
  <Message>(number: number, read: (of: Message) => boolean): FieldWriter<Message> =>
  (out, of) => {
    if (read(of)) out.varint(number, 1);
  };

/** A message; undefined if it is absent. */
export const part =
  <Message, Part>(
    number: number,
    read: (of: Message) => Part | undefined,
    fields: Fields<Part>,
  ): FieldWriter<Message> =>
  (out, of) => {
    const value = read(of);
    if (value !== undefined) out.message(number, fields, value);
  };

/** A `google.protobuf.Timestamp`. */
export const time =
  <Message>(number: number, read: (of: Message) => Instant | undefined): FieldWriter<Message> =>
  (out, of) => {
    const value = read(of);
    if (value !== undefined) out.time(number, value.seconds, value.nanos);
  };

/** A `google.protobuf.Timestamp`, from milliseconds since 1970, which are not negative. */
export const moment =
  <Message>(number: number, read: (of: Message) => number): FieldWriter<Message> =>
  (out, of) => {
    const millis = read(of);
    const seconds = Math.floor(millis / 1000);
    out.time(number, seconds, Math.round((millis - seconds * 1000) * 1e6));
  };

/** A `google.protobuf.Duration`, from milliseconds. */
export const duration =
  <Message>(number: number, read: (of: Message) => number | undefined): FieldWriter<Message> =>
  (out, of) => {
    const millis = read(of);
    if (millis === undefined) return;
    const seconds = Math.trunc(millis / 1000);
    const nanos = Math.min(999_999_999, Math.round((millis - seconds * 1000) * 1e6));
    out.time(number, seconds, nanos);
  };
