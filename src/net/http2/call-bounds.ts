import http2 from "node:http2";
import { InactivityTimer } from "../inactivity-timer.js";
import type { ServiceLimits } from "./limits.js";
import type { Reservation } from "./quota.js";
import { unfinishedBytes } from "./unfinished.js";

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = http2.constants;

type Stream = http2.ServerHttp2Stream;

/** Bytes that a call to health or reflection may send in all: their messages have some tens. */
const SMALL = 64 * 1024;

/** Milliseconds between two looks at whether a status is sent. */
const FLUSH = 100;

/** The paths of the methods that are not what most are: small, and over once they are answered. */
export interface Methods {
  /** May send more than {@link SMALL} bytes. */
  readonly large: ReadonlySet<string>;
  /** Send one message, and stay open for as long as their caller wants. */
  readonly watches: ReadonlySet<string>;
  /** Send one message after the other. */
  readonly conversations: ReadonlySet<string>;
}

/**
 * Bounds a call that was let in: in time, so that neither what it sends nor what it is answered is waited for without end;
 * and in bytes, of which it holds those that nobody can answer yet.
 *
 * @param hold what this call holds; `held` bytes of it are there for the call itself
 * @returns to be called once the call is over
 */
export function boundCall(
  stream: Stream,
  path: string,
  methods: Methods,
  limits: ServiceLimits,
  hold: Reservation,
  held: number,
): () => void {
  if (!methods.large.has(path)) cutWhereLarge(stream);
  closeOnceAnswered(stream);
  if (methods.conversations.has(path)) {
    const forgetUnfinished = holdUnfinished(stream, hold, held, limits.request);
    const patience = cutWhereSilent(stream, limits.idle + limits.request);
    return () => {
      forgetUnfinished();
      patience.end();
    };
  }
  const isWatch = methods.watches.has(path);
  holdUntilWhole(stream, hold, held, isWatch ? held : 0);
  const patience = isWatch ? cutWhereLate(stream, limits.request) : cutWhereSlow(stream, limits.request);
  return () => patience.end();
}

/** Holds all bytes of a request until it has come whole. @param rest held from then on, until the call is over */
function holdUntilWhole(stream: Stream, hold: Reservation, held: number, rest: number): void {
  let bytes = held;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (!hold(bytes)) stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
  });
  stream.once("end", () => {
    if (!stream.destroyed) hold(rest);
  });
}

/** Holds the bytes of a message that has not come whole, for so many milliseconds from its first byte. */
function holdUnfinished(stream: Stream, hold: Reservation, held: number, millis: number): () => void {
  const unfinished = unfinishedBytes();
  let patience: InactivityTimer | undefined;
  const late = (): void => {
    // What is not read, for there are enough answers under way, cannot be late.
    if (stream.isPaused()) patience?.renew();
    else stream.close(NGHTTP2_CANCEL);
  };
  stream.on("data", (chunk: Buffer) => {
    const bytes = unfinished(chunk);
    // With its first byte in this chunk: it is another than the one that was waited for.
    if (bytes <= chunk.length) patience?.end();
    if (bytes > 0 && bytes <= chunk.length) patience = new InactivityTimer(millis, late);
    if (!hold(held + bytes)) stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
  });
  return () => patience?.end();
}

/** Cuts a call whose one message does not come in time. */
function cutWhereLate(stream: Stream, millis: number): InactivityTimer {
  const patience = new InactivityTimer(millis, () => stream.close(NGHTTP2_CANCEL));
  stream.once("end", () => patience.end());
  return patience;
}

/** Cuts a call that sends nothing for so long: its caller asks nothing any more, or takes no answer, or is gone. */
function cutWhereSilent(stream: Stream, millis: number): InactivityTimer {
  const { session } = stream;
  const patience = new InactivityTimer(millis, () => {
    if (stream.closed) session?.destroy();
    else stream.close(NGHTTP2_CANCEL);
    patience.renew();
  });
  stream.on("data", () => patience.renew());
  return patience;
}

/**
 * Cuts a call that is sent a byte at a time, or whose answer is not taken: either would be waited for without end. A call has
 * so long to arrive, again to be answered, and again for its answer to be read. A peer that goes on regardless, or that
 * HTTP/2 has given up for what it sent before, loses its connection.
 */
function cutWhereSlow(stream: Stream, millis: number): InactivityTimer {
  const { session } = stream;
  let rounds = 0;
  const patience = new InactivityTimer(millis, () => {
    rounds++;
    if (rounds > 3) {
      session?.destroy();
      return;
    }
    if (rounds === 3 || !stream.readableEnded) stream.close(NGHTTP2_CANCEL);
    patience.renew();
  });
  return patience;
}

/** grpc-js knows one limit for all messages. */
function cutWhereLarge(stream: Stream): void {
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > SMALL) stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
  });
}

/**
 * Closes a call for good once it has its status, whatever its caller may still want to send (RFC 9113, section 8.1). HTTP/2
 * would keep it until the caller ends it, too.
 */
function closeOnceAnswered(stream: Stream): void {
  stream.once("wantTrailers", () => closeOnceSent(stream));
  stream.once("finish", () => {
    // Where trailers are to follow, they are asked for once the body is sent.
    const sent = stream.sentHeaders as http2.OutgoingHttpHeaders | undefined;
    const { ":status": code, "grpc-status": status } = sent ?? {};
    if (code !== 200 || status !== undefined) closeOnceSent(stream);
  });
}

/** A stream that is closed drops what is on its way, its trailers too: nothing tells when they are sent but the queue. */
function closeOnceSent(stream: Stream): void {
  if (stream.readableEnded) return;
  const look = (): void => {
    if (stream.destroyed || stream.readableEnded) return;
    if (stream.session?.state.outboundQueueSize === 0) stream.close(NGHTTP2_NO_ERROR);
    else setTimeout(look, FLUSH).unref();
  };
  // Node submits trailers in a turn of their own.
  setImmediate(() => setImmediate(look));
}
