import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { status } from "@grpc/grpc-js";
import { InactivityTimer } from "../../util/timeouts.js";
import { sendStatusInTrailers } from "../internals.js";
import { MESSAGE_HEAD } from "./grpc-request.js";
import type { Reservation } from "./quota.js";

// Bounds the calls that grpc-js answers, by listeners on their streams. DirectCall bounds itself.

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = constants;

/** Bytes that a call may send in all if its method is not in {@link MethodKinds.large}: health and reflection need some tens. */
const SMALL = 64 * 1024;

/** Milliseconds between two checks whether trailers are sent. */
const FLUSH_INTERVAL = 100;

/** The methods that are not small unary calls, by path. */
export interface MethodKinds {
  /** May send more than 64 KiB. */
  readonly large: ReadonlySet<string>;
  /** Receive one message, and answer it for as long as the client wants. */
  readonly serverStreaming: ReadonlySet<string>;
  /** Receive any number of messages. */
  readonly bidirectional: ReadonlySet<string>;
}

/** The time limits of a call, in milliseconds. */
export interface CallTimeouts {
  /** For a message to arrive completely, again for its answer, and again for the client to read that. */
  readonly request: number;
  /** Without a message, after which a bidirectional call ends; without a call, after which a connection closes. */
  readonly idle: number;
}

/**
 * Limits an accepted call in time, so that a slow client cannot keep it open, and in the bytes of incomplete messages.
 *
 * @param reserve the call's reservation of memory
 * @param own bytes of it that the call itself needs; `own` plus the bytes of incomplete messages are reserved
 * @returns a function to call once the call is closed
 */
export function boundCall(
  stream: ServerHttp2Stream,
  path: string,
  methods: MethodKinds,
  { request, idle }: CallTimeouts,
  reserve: Reservation,
  own: number,
): () => void {
  if (!methods.large.has(path)) resetIfLarge(stream);
  closeOnceAnswered(stream);
  if (methods.bidirectional.has(path)) {
    const stopMessageTimer = reserveIncompleteMessage(stream, reserve, own, request);
    const timer = resetIfSilent(stream, idle + request);
    return () => {
      stopMessageTimer();
      timer.end();
    };
  }
  const staysOpen = methods.serverStreaming.has(path);
  reserveRequest(stream, reserve, own, staysOpen ? own : 0);
  const timer = staysOpen ? resetIfLate(stream, request) : resetIfSlow(stream, request);
  return () => timer.end();
}

/** Reserves the bytes of a request until it is complete. @param rest reserved from then until the call is closed */
function reserveRequest(stream: ServerHttp2Stream, reserve: Reservation, own: number, rest: number): void {
  let bytes = own;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (!reserve(bytes)) stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
  });
  stream.once("end", () => {
    if (!stream.destroyed) reserve(rest);
  });
}

/** Reserves the bytes of an incomplete message, and resets the call if it is not complete this long after its first byte. */
function reserveIncompleteMessage(
  stream: ServerHttp2Stream,
  reserve: Reservation,
  own: number,
  millis: number,
): () => void {
  const incompleteBytes = createMessageCounter();
  let timer: InactivityTimer | undefined;
  const expire = (): void => {
    // The service itself pauses a stream with enough unanswered messages: the rest is not late.
    if (stream.isPaused()) timer?.renew();
    else stream.close(NGHTTP2_CANCEL);
  };
  stream.on("data", (chunk: Buffer) => {
    const bytes = incompleteBytes(chunk);
    // The incomplete message, if there is one, began in this chunk.
    if (bytes <= chunk.length) {
      timer?.end();
      if (bytes > 0) timer = new InactivityTimer(millis, expire);
    }
    if (!reserve(own + bytes)) stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
  });
  return () => timer?.end();
}

/**
 * Follows the messages of a call (gRPC over HTTP/2, Length-Prefixed-Message).
 *
 * @returns takes each chunk of the call's data in order, and returns how many bytes of an incomplete message have arrived
 */
export function createMessageCounter(): (chunk: Buffer) => number {
  const head = Buffer.alloc(MESSAGE_HEAD);
  let bytes = 0;
  let missing = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      if (bytes < MESSAGE_HEAD) {
        head[bytes++] = chunk[at++] ?? 0;
        if (bytes < MESSAGE_HEAD) continue;
        missing = head.readUInt32BE(1);
      } else {
        const step = Math.min(missing, chunk.length - at);
        at += step;
        missing -= step;
        bytes += step;
      }
      if (missing === 0) bytes = 0;
    }
    return bytes;
  };
}

/** Resets a call whose one message is not complete in time. */
function resetIfLate(stream: ServerHttp2Stream, millis: number): InactivityTimer {
  const timer = new InactivityTimer(millis, () => stream.close(NGHTTP2_CANCEL));
  stream.once("end", () => timer.end());
  return timer;
}

/** Resets a call that sends nothing for this long, and destroys its connection if the reset does not get through. */
function resetIfSilent(stream: ServerHttp2Stream, millis: number): InactivityTimer {
  const { session } = stream;
  const timer = new InactivityTimer(millis, () => {
    if (stream.closed) session?.destroy();
    else stream.close(NGHTTP2_CANCEL);
    timer.renew();
  });
  stream.on("data", () => timer.renew());
  return timer;
}

/**
 * Resets a call whose request does not arrive in time, or whose answer is not read in time: one period to arrive, a second to be
 * answered, a third to be read. After a fourth the reset has not got through, and the connection is destroyed.
 */
function resetIfSlow(stream: ServerHttp2Stream, millis: number): InactivityTimer {
  const { session } = stream;
  let periods = 0;
  const timer = new InactivityTimer(millis, () => {
    periods++;
    if (periods > 3) {
      session?.destroy();
      return;
    }
    if (periods === 3 || !stream.readableEnded) stream.close(NGHTTP2_CANCEL);
    timer.renew();
  });
  return timer;
}

/** Resets a call that sends more than {@link SMALL} bytes; grpc-js has one message limit for all methods. */
function resetIfLarge(stream: ServerHttp2Stream): void {
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > SMALL) stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
  });
}

/**
 * Closes a call once its status is sent, even if the client has not ended its side (RFC 9113, section 8.1). HTTP/2 would keep the
 * stream open until the client does.
 */
function closeOnceAnswered(stream: ServerHttp2Stream): void {
  stream.once("wantTrailers", () => closeOnceSent(stream));
  stream.once("finish", () => {
    // An answer with a body has its status in trailers, for which "wantTrailers" follows.
    const { ":status": code, "grpc-status": status } = stream.sentHeaders ?? {};
    if (code !== 200 || status !== undefined) closeOnceSent(stream);
  });
}

/**
 * Closes a call whose status is sent, unless its client ends it first. It waits until the session's queue is empty, for
 * closing a stream drops what is queued, its trailers too.
 */
export function closeOnceSent(stream: ServerHttp2Stream): void {
  if (stream.readableEnded) return;
  const check = (): void => {
    if (stream.destroyed || stream.readableEnded) return;
    if (stream.session?.state.outboundQueueSize === 0) stream.close(NGHTTP2_NO_ERROR);
    else setTimeout(check, FLUSH_INTERVAL).unref();
  };
  // Node submits trailers in a later turn of the event loop.
  setImmediate(() => setImmediate(check));
}

/** Answers RESOURCE_EXHAUSTED to a call with too large headers. @param limit bytes of its headers, plus 32 per header */
export function refuseHeaders(stream: ServerHttp2Stream, limit: number): void {
  const headers = {
    ":status": 200,
    "content-type": "application/grpc+proto",
    "grpc-status": status.RESOURCE_EXHAUSTED,
    "grpc-message": `The call's headers have more than ${limit} bytes: send less metadata.`,
  };
  stream.respond(headers, { endStream: true });
}

/** An encoding that grpc-js does not have, in words that its message quotes. */
const NOT_TAKEN = "other than identity; send messages uncompressed";

/**
 * Makes a call with a `grpc-encoding` UNIMPLEMENTED once it sends a message flagged as compressed (gRPC's compression.md): tokens
 * hardly shrink, and a small message may decompress to megabytes. Call it before grpc-js gets the call.
 *
 * @param headers of the call; changed for grpc-js
 */
export function refuseCompressed(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  // grpc-js goes by each message's flag, and would decompress gzip and deflate.
  headers["grpc-encoding"] = NOT_TAKEN;
  // A grpc-js client ignores grpc-accept-encoding beside a status; from headers of their own it learns not to compress.
  sendStatusInTrailers(stream);
}
