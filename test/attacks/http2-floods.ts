import type net from "node:net";
import { gzipSync } from "node:zlib";
import { callHeaders, frame, hpackHeader, http2Frame, PREFACE, SETTINGS } from "../grpc/raw.js";
import { type Besieged, overWith } from "./siege.js";

// Floods of HTTP/2 frames. A test asserts that another caller is answered meanwhile, and a benchmark
// (bench/floods.ts) measures the memory they take.

/** What a client sends first: the preface and its SETTINGS. */
export const GREETING = Buffer.concat([Buffer.from(PREFACE), SETTINGS]);
/** The header block of a call of VerifyToken. */
export const CALL = callHeaders("VerifyToken");
/** The type of a HEADERS frame, and its flag END_HEADERS. */
export const [HEADERS, END_HEADERS] = [1, 4];
const END_STREAM = 1;
const CANCEL = Buffer.from([0, 0, 0, 8]);
/** The number of a flood's connections at a time: two read what they are sent, and two do not. */
const ATTACKERS = 4;

/** Makes the frames that one connection sends in a turn. @param turn the number of turns before */
export type Flood = (turn: number) => Buffer;

const many = (count: number, frame: (n: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, n) => frame(n)));
const ACK_WANTED = many(1000, () => http2Frame(6, 0, 0, Buffer.alloc(8)));
const NEW_WINDOW = many(1000, () => http2Frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 255, 255])));
const NO_DATA = many(1000, () => http2Frame(0, 0, 1, Buffer.alloc(0)));
const OTHER_ORDER = many(1000, () => http2Frame(2, 0, 1, Buffer.from([0, 0, 0, 0, 1])));
/** Opens new calls; the ids of a client's streams are odd. */
const calls = (turn: number, more: (id: number) => Buffer, headers = CALL): Buffer =>
  many(500, (n) => {
    const id = (turn * 500 + n) * 2 + 1;
    return Buffer.concat([http2Frame(HEADERS, END_HEADERS, id, headers), more(id)]);
  });
const continued = (turn: number, more: Buffer): Buffer => http2Frame(turn === 0 ? HEADERS : 9, 0, 1, more);

const CHECK = callHeaders("/grpc.health.v1.Health/Check");
const BEGUN = Buffer.from([0, 0, 0, 255, 0, ...Buffer.alloc(95)]);

/** A whole request for a token of realm `integuru` that was never seen before. */
const fresh = (id: number): Buffer => {
  const token = Buffer.from(
    `eyJhbGciOiJSUzI1NiJ9.${Buffer.from(`{"exp":9999999999,"n":${id}}`).toString("base64url")}.AAAA`,
  );
  return frame(Buffer.concat([Buffer.from("\x0a\x08integuru\x12"), Buffer.from([token.length]), token]));
};
const request = (id: number, flags = END_STREAM): Buffer => http2Frame(0, flags, id, fresh(id));
const overflow = (id: number): Buffer => http2Frame(8, 0, id, Buffer.from([0x7f, 0xff, 0xff, 0xff]));

/** A batch of 1000 requests without a token: 2 KB, whose answer has 150 KB. */
const BATCH = frame(Buffer.alloc(2000, Buffer.from([0x0a, 0])));
const BATCH_CALL = callHeaders("BatchVerifyTokens");
/** SETTINGS with a window of 0 for each stream. */
export const NO_WINDOW = http2Frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]));

/** A message that unpacks to 4 MiB of an unknown field, and its call. */
const BOMB = frame(
  gzipSync(Buffer.concat([Buffer.from([0x7a, 0xf8, 0xff, 0xff, 1]), Buffer.alloc(4 * 1024 ** 2 - 8)])),
);
BOMB[0] = 1;
const PACKED_CALL = Buffer.concat([CALL, hpackHeader("grpc-encoding", "gzip")]);

/** Calls that are reset at once, which is CVE-2023-44487. */
export const RESETS: Flood = (turn) => calls(turn, (id) => http2Frame(3, 0, id, CANCEL));

/** Whole requests that are reset at once: each may cost a verification. */
export const ASKED_AND_RESET: Flood = (turn) =>
  calls(turn, (id) => Buffer.concat([request(id), http2Frame(3, 0, id, CANCEL)]));

/** A hundred batches whose answers their client does not take, and then pings: the work of batches is no flood's. */
export const UNREAD_BATCHES: Flood = (turn) => {
  if (turn >= 5) return http2Frame(6, 0, 0, Buffer.alloc(8));
  return Buffer.concat([
    turn === 0 ? NO_WINDOW : Buffer.alloc(0),
    many(20, (n) => {
      const id = (turn * 20 + n) * 2 + 1;
      return Buffer.concat([http2Frame(HEADERS, END_HEADERS, id, BATCH_CALL), http2Frame(0, END_STREAM, id, BATCH)]);
    }),
  ]);
};

/** Messages that unpack to the limit of a message. */
export const BOMBS: Flood = (turn) =>
  many(20, (n) => {
    const id = (turn * 20 + n) * 2 + 1;
    return Buffer.concat([http2Frame(HEADERS, END_HEADERS, id, PACKED_CALL), http2Frame(0, END_STREAM, id, BOMB)]);
  });

/** The floods by name. */
export const FLOODS: Readonly<Record<string, Flood>> = {
  pings: () => ACK_WANTED,
  SETTINGS: () => NEW_WINDOW,
  "calls that are reset at once": RESETS,
  "calls that are left open": (turn) => calls(turn, () => Buffer.alloc(0)),
  "messages that are left unfinished": (turn) => calls(turn, (id) => http2Frame(0, 0, id, BEGUN), CHECK),
  "calls that cause their own reset": (turn) => calls(turn, (id) => http2Frame(8, 0, id, Buffer.alloc(4))),
  // CVE-2025-8671, "MadeYouReset": the service resets the stream, and has verified the token.
  "requests that cause their own reset": (turn) =>
    calls(turn, (id) => Buffer.concat([request(id), http2Frame(8, 0, id, Buffer.alloc(4))])),
  "windows that overflow": (turn) => calls(turn, (id) => Buffer.concat([request(id), overflow(id), overflow(id)])),
  "requests that are reset at once": ASKED_AND_RESET,
  "requests that end in trailers": (turn) =>
    calls(turn, (id) =>
      Buffer.concat([request(id, 0), http2Frame(HEADERS, END_HEADERS | END_STREAM, id, hpackHeader("x-trailer", "1"))]),
    ),
  "calls with uppercase header names": (turn) =>
    calls(turn, request, Buffer.concat([CALL, hpackHeader("X-Name", "1")])),
  "calls with connection-specific headers": (turn) =>
    calls(turn, request, Buffer.concat([CALL, hpackHeader("connection", "keep-alive")])),
  "batches whose answers are not taken": UNREAD_BATCHES,
  "messages that unpack to megabytes": BOMBS,
  "messages that arrive byte by byte": (turn) =>
    turn % 10 === 0
      ? calls(turn / 10, (id) => http2Frame(0, 0, id, Buffer.from([0, 0, 1, 0, 0])))
      : many(500, (n) => http2Frame(0, 0, (Math.floor(turn / 10) * 500 + n) * 2 + 1, Buffer.from([0]))),
  "endless headers": (turn) => continued(turn, turn === 0 ? CALL : hpackHeader("x", "y".repeat(8000))),
  "headers in empty frames": (turn) =>
    turn === 0 ? continued(0, CALL) : many(100, () => continued(1, Buffer.alloc(0))),
  "headers that decompress to megabytes": (turn) => {
    // One header of 4,000 bytes for the table, and a thousand references to it.
    const mentions = Buffer.alloc(1000, 0xbe);
    return http2Frame(
      HEADERS,
      END_HEADERS,
      turn * 2 + 1,
      Buffer.concat([CALL, hpackHeader("x", "y".repeat(4000), true), mentions]),
    );
  },
  "empty DATA frames": (turn) => (turn === 0 ? http2Frame(HEADERS, END_HEADERS, 1, CALL) : NO_DATA),
  "priority changes": () => OTHER_ORDER,
};

/** A flood that goes on until it is ended. */
export interface Flooding {
  /** Ends it, and waits until its connections are closed. @returns the bytes that were sent */
  end(): Promise<number>;
}

/** Floods a service's gRPC port over several connections, each replaced by another once the service has cut it. */
export function startFlood(service: Besieged, frames: Flood): Flooding {
  const over = { is: false };
  let sent = 0;
  const attackers = Array.from({ length: ATTACKERS }, async (_, index) => {
    while (!over.is) sent += await floodOnce(service, frames, index % 2 === 0, over);
  });
  return {
    async end() {
      over.is = true;
      await Promise.all(attackers);
      return sent;
    },
  };
}

/** Floods over one connection until the service cuts it or the flood is over. @returns the bytes that were sent */
export async function floodOnce(
  service: Besieged,
  frames: Flood,
  reads: boolean,
  over: { readonly is: boolean } = { is: false },
): Promise<number> {
  const socket = service.attacker("grpc", GREETING);
  const told = { goAway: false };
  // A GOAWAY has 17 bytes or more, of which the fourth is 7; any other frame is shorter here, or comes at the end.
  if (reads) socket.on("data", (data: Buffer) => (told.goAway ||= data[3] === 7));
  else socket.pause();
  for (let turn = 0; !(over.is || told.goAway || socket.closed || socket.destroyed); turn++) {
    if (!socket.write(frames(turn)) && !(await drained(socket))) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  const sent = socket.bytesWritten;
  socket.destroy();
  await overWith(socket);
  return sent;
}

/** Waits until a connection takes more; false if it takes no more within 300 ms, or is over. */
function drained(socket: net.Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      socket.off("drain", done).off("close", done);
      resolve(!socket.writableNeedDrain && !socket.destroyed);
    };
    const timer = setTimeout(done, 300);
    socket.on("drain", done).on("close", done);
  });
}
