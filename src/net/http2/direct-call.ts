import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { status } from "@grpc/grpc-js";
import { Timed } from "../../util/timer-wheel.js";
import { closeOnceSent } from "./call-bounds.js";
import type { Connection, PortCalls } from "./connections.js";
import { ENCODINGS, foreignStatus, MESSAGE_HEAD, MessageCollector, readTimeout } from "./grpc-request.js";
import { unpack, unpackedLength } from "./gzip.js";

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = constants;

/** A unary method that is answered on the HTTP/2 stream itself, without grpc-js. */
export interface DirectMethod<Request = unknown> {
  /** Reads the request from a message. Throws for an unreadable one, which makes the call INTERNAL. */
  read(message: Buffer): Request;
  /** Called once with the whole request. Answers with {@link DirectCall.send} or {@link DirectCall.fail}, now or later. */
  answer(call: DirectCall, request: Request): void;
}

/** A status and what goes with it, as HTTP/2 header fields. */
export type StatusFields = Readonly<Record<"grpc-status" | "grpc-message", string>> & Readonly<Record<string, string>>;

/** The status of a call that was reset before it had one. */
export const CANCELLED: number = status.CANCELLED;

/** A status of the transport itself, as header fields. */
const failed = (code: status, message: string): StatusFields => ({
  "grpc-status": String(code),
  "grpc-message": encodeURI(message),
});

const FAILED = {
  timeout: failed(status.INTERNAL, "Invalid grpc-timeout: it needs 1 to 8 digits and a unit, one of H, M, S, m, u, n"),
  noEncoding: failed(status.INTERNAL, "A message is flagged as compressed, but the call has no grpc-encoding"),
  encoding: failed(status.UNIMPLEMENTED, "This encoding is not supported: send messages with gzip or uncompressed"),
  packed: failed(status.INTERNAL, "Failed to decompress message"),
  unreadable: failed(status.INTERNAL, "Error deserializing request"),
  none: failed(status.UNIMPLEMENTED, "Received no request message for a unary method"),
  second: failed(status.UNIMPLEMENTED, "Received a second request message for a unary method"),
  deadline: failed(status.DEADLINE_EXCEEDED, "Deadline exceeded"),
};

const HEADERS = {
  ":status": 200,
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": ENCODINGS,
} as const;

let answerHeaders: readonly string[] = [];
let answerSecond = -1;

/** The headers of an answer as Node takes them without a copy: names and values in turn, and the date, made once a second. */
function headersOfAnswer(): readonly string[] {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  if (second !== answerSecond) {
    answerSecond = second;
    const fields = { ...HEADERS, "grpc-encoding": "identity", date: new Date(now).toUTCString() };
    answerHeaders = Object.entries(fields).flatMap(([name, value]) => [name, String(value)]);
  }
  return answerHeaders;
}

const WAIT_FOR_TRAILERS = { waitForTrailers: true } as const;
const END_STREAM = { endStream: true } as const;

/** Bytes of memory that an incomplete call counts as, besides its headers and its message. */
export const OPEN_CALL = 16 * 1024;

/** How far a call has come: its message or the end of its client's side is missing; it is being answered; it has its status. */
type Stage = "arriving" | "asked" | "answered";

/** The stream's call, for listeners that all streams share. */
const CALL = Symbol("call");
type DirectStream = ServerHttp2Stream & { [CALL]: DirectCall | undefined };

function onData(this: DirectStream, chunk: Buffer): void {
  this[CALL]?.take(chunk);
}
function onEnd(this: DirectStream): void {
  this[CALL]?.end();
}
function onWantTrailers(this: DirectStream): void {
  this[CALL]?.sendTrailers();
}
function onClose(this: DirectStream): void {
  const call = this[CALL];
  // V8 frees closed streams of Node only when it collects all garbage; what they hold would be copied until then.
  this[CALL] = undefined;
  call?.closed();
}

/**
 * A unary call on its HTTP/2 stream: takes the message within the limits of size, memory and time, and sends the answer.
 * Nothing in it is awaited, and it needs no timer of its own.
 */
export class DirectCall extends Timed {
  readonly headers: IncomingHttpHeaders;
  readonly connection: Connection;
  readonly #path: string;
  readonly #port: PortCalls;
  readonly #method: DirectMethod;
  readonly #stream: ServerHttp2Stream;
  readonly #collector: MessageCollector;
  /** Bytes of the headers. */
  readonly #size: number;
  readonly #arrived: number;
  /** Milliseconds that the client gave the call; Infinity if it did not. */
  #timeout = Infinity;
  /** The periods that have passed, and when the next one will have: milliseconds after the call's arrival. */
  #periods = 0;
  #periodEnd: number;
  #stage: Stage = "arriving";
  #hasEnded = false;
  #isUnpacking = false;
  #isReset = false;
  #request: unknown;
  #reserved = 0;
  #trailers: StatusFields | undefined;
  #code: number = CANCELLED;

  /** Takes a call over, until its stream is closed. The parameters are those of the constructor. */
  static start(...call: ConstructorParameters<typeof DirectCall>): DirectCall {
    return new DirectCall(...call);
  }

  /** @param size bytes of its headers */
  constructor(
    port: PortCalls,
    connection: Connection,
    path: string,
    method: DirectMethod,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    size: number,
  ) {
    super();
    this.headers = headers;
    this.connection = connection;
    this.#path = path;
    this.#port = port;
    this.#method = method;
    this.#stream = stream;
    this.#size = size;
    this.#collector = new MessageCollector(port.message);
    this.#arrived = performance.now();
    this.#periodEnd = port.timeouts.request;
    const direct = stream as DirectStream;
    direct[CALL] = this;
    direct.on("close", onClose);
    port.open++;
    connection.begin();
    if (!this.#reserve(OPEN_CALL + size)) {
      connection.countRefused();
      this.#reset(NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    direct.on("data", onData);
    direct.on("end", onEnd);
    this.#begin();
  }

  /** True once the client has gone, or has its answer or status. */
  get cancelled(): boolean {
    return this.#stage === "answered" || this.#stream.closed || this.#stream.destroyed;
  }

  /** Milliseconds until the client's own deadline; Infinity if it set none. */
  get timeLeft(): number {
    return this.#timeout === Infinity ? Infinity : this.#timeout - (performance.now() - this.#arrived);
  }

  /**
   * Answers the call. Does nothing if it is {@link cancelled}.
   *
   * @param answer the encoded message behind five bytes left free
   * @param fields of its trailers, besides the status
   */
  send(answer: Buffer, fields: Readonly<Record<string, string>>): void {
    if (this.cancelled) return;
    const stream = this.#stream;
    answer[0] = 0;
    answer.writeUInt32BE(answer.length - MESSAGE_HEAD, 1);
    // Until the client takes it, which may be never.
    if (!this.#reserve(this.#size + answer.length)) {
      // Each such call has cost a verification.
      this.connection.countRefused();
      this.#reset(NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    this.#finish({ "grpc-status": "0", "grpc-message": "OK", ...fields });
    stream.respond(headersOfAnswer(), WAIT_FOR_TRAILERS);
    stream.end(answer);
  }

  /** Ends the call with a status instead of an answer. Does nothing if it is {@link cancelled}. */
  fail(fields: StatusFields): void {
    if (this.cancelled) return;
    this.#stage = "answered";
    this.#code = Number(fields["grpc-status"]);
    this.#respond({ ...HEADERS, ...fields });
  }

  /** Takes a chunk of the call's data. */
  take(chunk: Buffer): void {
    if (this.#stage === "answered") return;
    if (!this.#reserve(this.#reserved + chunk.length)) {
      this.#reset(NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    const wasWhole = this.#request !== undefined || this.#isUnpacking;
    switch (this.#collector.take(chunk)) {
      case "partial":
        return;
      case "whole":
        if (!wasWhole) this.#takeMessage();
        return;
      case "large":
        this.fail(
          this.#tooLarge(`Received message larger than max (${this.#collector.length} vs ${this.#port.message})`),
        );
        return;
      case "second":
        this.fail(FAILED.second);
    }
  }

  /** The client has ended its side. */
  end(): void {
    this.#hasEnded = true;
    if (this.#request !== undefined) this.#ask();
    else if (!this.#isUnpacking) this.fail(FAILED.none);
  }

  /** HTTP/2 wants the trailers of the answer that was sent. */
  sendTrailers(): void {
    if (this.#trailers === undefined) return;
    this.#code = Number(this.#trailers["grpc-status"]);
    this.#stream.sendTrailers(this.#trailers);
  }

  /** The stream is closed. */
  closed(): void {
    const { rstCode } = this.#stream;
    this.#port.timers.remove(this);
    this.#port.open--;
    if (!this.#isUnpacking) this.#release();
    this.connection.end(this.#code === CANCELLED && rstCode !== NGHTTP2_NO_ERROR && !this.#isReset);
    this.#port.onCallEnd?.(this.#path, this.#code);
  }

  /**
   * A time limit of the call has passed: the client's own deadline, or one period for the message to arrive, a second for
   * its answer, a third for the client to read that. After a fourth the reset has not got through.
   */
  override expire(): void {
    const { request } = this.#port.timeouts;
    const age = performance.now() - this.#arrived;
    if (age >= this.#timeout) this.fail(FAILED.deadline);
    // Counted, since a process that was paused for several periods has given its client one.
    if (age >= this.#periodEnd) {
      this.#periods++;
      this.#periodEnd = age + request;
      if (this.#periods > 3) {
        this.connection.destroyUnread();
        return;
      }
      if (this.#periods === 3 || !this.#hasEnded) this.#reset(NGHTTP2_CANCEL);
    }
    const limit = this.#timeout > age ? Math.min(this.#timeout, this.#periodEnd) : this.#periodEnd;
    this.#port.timers.add(this, limit - age);
  }

  #begin(): void {
    const { headers } = this;
    const timeout = readTimeout(headers["grpc-timeout"]);
    this.#timeout = timeout ?? Infinity;
    this.#port.timers.add(this, Math.min(this.#timeout, this.#port.timeouts.request));
    const foreign = foreignStatus(headers);
    if (foreign !== undefined) {
      this.#stage = "answered";
      this.#code = status.UNKNOWN;
      this.#respond(foreign === 405 ? { ":status": 405, allow: "POST" } : { ":status": foreign });
    } else if (timeout === undefined) {
      this.fail(FAILED.timeout);
    }
  }

  /** The message is whole, though the client may not have ended its side. */
  #takeMessage(): void {
    const { message, compressed } = this.#collector;
    if (!compressed) {
      this.#read(message);
      return;
    }
    const encoding = this.headers["grpc-encoding"] ?? "identity";
    if (encoding === "gzip") this.#unpack(message);
    else if (encoding === "identity") this.fail(FAILED.noEncoding);
    else this.#failApart(FAILED.encoding);
  }

  #unpack(packed: Buffer): void {
    const most = this.#port.message;
    const length = unpackedLength(packed);
    if (length !== undefined && length > most) {
      this.fail(this.#tooLarge(`Received message that decompresses to a size larger than ${most}`));
      return;
    }
    if (!this.#reserve(this.#reserved + (length ?? 0))) {
      this.#reset(NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    this.#isUnpacking = true;
    unpack(packed, (message) => {
      this.#isUnpacking = false;
      if (this.#stream.destroyed) this.#release();
      else if (message === undefined) this.fail(FAILED.packed);
      else this.#read(message);
    });
  }

  #read(message: Buffer): void {
    try {
      this.#request = this.#method.read(message);
    } catch {
      this.fail(FAILED.unreadable);
      return;
    }
    if (this.#hasEnded) this.#ask();
  }

  #ask(): void {
    if (this.cancelled) return;
    this.#stage = "asked";
    // It counts by its bytes now: an incomplete call may stay for long, and an answer comes at once.
    this.#reserve(this.#reserved - OPEN_CALL);
    this.#method.answer(this, this.#request);
  }

  #finish(trailers: StatusFields): void {
    this.#stage = "answered";
    this.#trailers = trailers;
    (this.#stream as DirectStream).on("wantTrailers", onWantTrailers);
  }

  /** Sends a status without an answer. */
  #respond(headers: Readonly<Record<string, string | number>>): void {
    const stream = this.#stream;
    stream.respond(headers, END_STREAM);
    if (!this.#hasEnded) closeOnceSent(stream);
  }

  /**
   * Sends a status in trailers, apart from the headers: a grpc-js client ignores grpc-accept-encoding beside a status, and from
   * headers of their own it learns not to compress.
   */
  #failApart(fields: StatusFields): void {
    if (this.cancelled) return;
    const stream = this.#stream;
    this.#finish(fields);
    stream.respond(HEADERS, WAIT_FOR_TRAILERS);
    stream.end();
    if (!this.#hasEnded) closeOnceSent(stream);
  }

  #tooLarge(message: string): StatusFields {
    return failed(status.RESOURCE_EXHAUSTED, message);
  }

  #reset(code: number): void {
    this.#isReset = true;
    // What gRPC clients make of these resets.
    this.#code = code === NGHTTP2_ENHANCE_YOUR_CALM ? status.RESOURCE_EXHAUSTED : CANCELLED;
    this.#stream.close(code);
  }

  /** Changes the bytes that the call has reserved. @returns false if there are not that many left */
  #reserve(bytes: number): boolean {
    if (!this.#port.memory.change(this.connection.client, bytes - this.#reserved)) return false;
    this.#reserved = bytes;
    return true;
  }

  #release(): void {
    this.#reserve(0);
  }
}
