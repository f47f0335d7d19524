import http2 from "node:http2";
import net from "node:net";
import { Duplex } from "node:stream";
import { eventually } from "../harness.js";
import { headerFrames, hpackHeader, http2Frame, PREFACE, SETTINGS } from "../raw.js";
import type { Caller } from "./libraries.js";
import { bodyOf, bytesOf, pathOf, type Row, requestOf, type WireSpec } from "./rows.js";
import type { Headers, Seen } from "./seen.js";

// The clients on the wire: Node's HTTP/2 client, and frames written by hand. Both read answers with Node's.

/** Names of HTTP/2 error codes, by number (RFC 9113, section 7). */
const CODES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
];

/** Names of frame types (RFC 9113, section 6). */
const TYPES = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
  "CONTINUATION",
];

/** The headers of a row's calls, in order, with names as they are sent. */
function headersOf(row: Row): readonly (readonly [string, string])[] {
  const { metadata = {}, timeout, compression, subtype, wire = {} } = row;
  const usual: Record<string, string | readonly string[] | null> = {
    ":method": "POST",
    ":scheme": "http",
    ":path": pathOf(row),
    ":authority": "a",
    "content-type": subtype === undefined ? "application/grpc" : `application/grpc+${subtype}`,
    te: "trailers",
    ...(timeout === undefined ? {} : { "grpc-timeout": timeout }),
    ...(compression === undefined ? {} : { "grpc-encoding": compression }),
    ...metadata,
    ...wire.headers,
    ...Object.fromEntries(Array.from({ length: wire.fields ?? 0 }, (_, at) => [`x-${at}`, "1"])),
  };
  return Object.entries(usual).flatMap(([name, values]) =>
    values === null ? [] : [values].flat().map((value) => [name, value] as const),
  );
}

/** Cuts a body into the contents of its DATA frames. */
function cut(body: Buffer, { every, split }: WireSpec): readonly Buffer[] {
  const offsets =
    every === undefined ? (split ?? []) : Array.from({ length: body.length / every }, (_, n) => (n + 1) * every);
  const inner = offsets.filter((at) => at > 0 && at < body.length);
  return [0, ...inner].map((at, index) => body.subarray(at, inner[index] ?? body.length));
}

/** What one stream received, as Node's HTTP/2 client reads it. */
function observe(
  stream: http2.ClientHttp2Stream,
  goaway: () => string | undefined,
  frames: () => readonly string[] | undefined,
): Promise<Seen> {
  let headers: http2.IncomingHttpHeaders = {};
  let trailers: http2.IncomingHttpHeaders | undefined;
  let trailersOnly = false;
  const chunks: Buffer[] = [];
  stream.on("error", () => undefined);
  stream.on("response", (got, flags) => {
    headers = got;
    trailersOnly = (flags & 1) === 1;
  });
  stream.on("trailers", (got) => {
    trailers = got;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) =>
    stream.once("close", () => {
      const last = trailers ?? headers;
      const status = last["grpc-status"];
      resolve({
        code: status === undefined ? undefined : Number(status),
        message: decodeURIComponent(String(last["grpc-message"] ?? "")),
        headers: listed(headers),
        trailers: listed(last),
        answer: messagesIn(Buffer.concat(chunks)),
        wire: {
          http: Number(headers[":status"] ?? 0),
          rst: CODES[stream.rstCode] ?? String(stream.rstCode),
          goaway: goaway(),
          trailersOnly,
          frames: frames(),
        },
      });
    }),
  );
}

function listed(headers: http2.IncomingHttpHeaders): Headers {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value ?? []].flat().map(String)]));
}

/** The messages of an answer. @throws if it is not a sequence of whole, uncompressed messages */
function messagesIn(body: Buffer): readonly Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const length = body.readUInt32BE(at + 1);
    if (body[at] !== 0 || at + 5 + length > body.length) throw new Error(`no answer: ${body.toString("hex")}`);
    messages.push(body.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return messages;
}

/** A call that was sent. */
interface SentCall {
  readonly stream: http2.ClientHttp2Stream;
  /** Resets it. */
  cancel(): void;
}

/** How calls are sent over a session. */
interface Sending {
  send(body: Buffer): SentCall;
  /** Resolves once the server has read all that was sent, or the connection is over. */
  arrived(): Promise<void>;
  /** The types of the frames that the first call got. */
  frames(): readonly string[] | undefined;
}

/** Makes a row's calls over a session. */
async function eachStream(
  row: Row,
  session: http2.ClientHttp2Session,
  asked: () => Promise<void>,
  { send, arrived, frames }: Sending,
): Promise<readonly Seen[]> {
  let goaway: string | undefined;
  session.on("error", () => undefined);
  session.on("goaway", (code) => {
    goaway = CODES[code] ?? String(code);
  });
  const seeing = ({ stream }: SentCall): Promise<Seen> => observe(stream, () => goaway, frames);
  const body = bodyOf(row);
  const pending = Array.from({ length: row.times ?? 1 }, () => {
    const call = send(body);
    if (row.cancel === true) void asked().then(() => call.cancel());
    if (row.wire?.reset !== undefined) call.cancel();
    return seeing(call);
  });
  const seen = await Promise.all(pending);
  for (const { token } of row.next ?? []) {
    seen.push(await seeing(send(bytesOf({ hex: requestOf(token).toString("hex") }))));
  }
  await arrived();
  return seen;
}

/** The code of a reset that a row's client sends. */
const resetCode = ({ wire }: Row): number => CODES.indexOf(wire?.reset ?? "CANCEL");

/** Node's HTTP/2 client. */
export const nodeHttp2: Caller = async (address, row, asked) => {
  const { wire = {} } = row;
  const settings = wire.window === undefined ? {} : { settings: { initialWindowSize: wire.window } };
  const session = http2.connect(`http://${address}`, { maxSendHeaderBlockLength: 10 ** 6, ...settings });
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of headersOf(row)) {
    headers[name] = headers[name] === undefined ? value : [headers[name], value].flat();
  }
  const { end = "data" } = wire;
  const send = (body: Buffer): SentCall => {
    const stream = session.request(headers, { endStream: end === "headers", waitForTrailers: end === "trailers" });
    stream.once("wantTrailers", () => stream.sendTrailers({ "x-trailer": "1" }));
    if (end !== "headers") {
      cut(body, wire).forEach((part, index) => {
        if (index > 0) for (const what of wire.between ?? []) BETWEEN[what]?.(session);
        stream.write(part);
      });
      if (end !== "never") stream.end();
    }
    return { stream, cancel: () => stream.close(resetCode(row)) };
  };
  const arrived = (): Promise<void> =>
    new Promise((resolve) => {
      session.once("close", () => resolve());
      if (session.closed || session.destroyed || !session.ping(() => resolve())) resolve();
    });
  try {
    return await eachStream(row, session, asked, { send, arrived, frames: () => undefined });
  } finally {
    session.destroy();
  }
};

const BETWEEN: Readonly<Record<string, (session: http2.ClientHttp2Session) => void>> = {
  ping: (session) => void session.ping(() => undefined),
  settings: (session) => session.settings({ enablePush: false }),
};

/** The frames that may come between others, by hand. @param id of the stream */
const BETWEEN_FRAMES: Readonly<Record<string, (id: number) => Buffer>> = {
  ping: () => http2Frame(6, 0, 0, Buffer.alloc(8)),
  settings: () => SETTINGS,
  window: (id) => http2Frame(8, 0, id, Buffer.from([0, 0, 0, 1])),
  priority: (id) => http2Frame(2, 0, id, Buffer.from([0, 0, 0, 0, 1])),
  // An extension's frame, which RFC 9113, section 5.5 says to ignore.
  unknown: (id) => http2Frame(0xfa, 0xff, id, Buffer.from("whatever")),
  empty: (id) => http2Frame(0, 0, id, Buffer.alloc(0)),
};

/** The most bytes of a frame's content (SETTINGS_MAX_FRAME_SIZE) and of data in flight, until the server says otherwise. */
const MAX_FRAME = 16_384;
const WINDOW = 65_535;

const END_STREAM = 1;
const PADDED = 8;

/** The frames of one call. */
function callFrames(row: Row, id: number, body: Buffer): readonly Buffer[] {
  const { wire = {} } = row;
  const { end = "data", padding } = wire;
  const block = Buffer.concat(headersOf(row).map(([name, value]) => hpackHeader(name, value)));
  const head = headerFrames(id, block);
  if (end === "headers") {
    head[0]![4] = (head[0]![4] ?? 0) | END_STREAM;
    return head;
  }
  const parts = cut(body, wire).flatMap((part) => cut(part, { every: MAX_FRAME }));
  const data = parts.flatMap((part, index) => {
    const flags =
      (end === "data" && index === parts.length - 1 ? END_STREAM : 0) | (padding === undefined ? 0 : PADDED);
    const padded = padding === undefined ? part : Buffer.concat([Buffer.from([padding]), part, Buffer.alloc(padding)]);
    const others = index === 0 ? [] : (wire.between ?? []).map((what) => BETWEEN_FRAMES[what]!(id));
    return [...others, http2Frame(0, flags, id, padded)];
  });
  const last: Buffer[] = [];
  if (end === "empty") last.push(http2Frame(0, END_STREAM, id, Buffer.alloc(0)));
  if (end === "trailers") {
    const [trailers] = headerFrames(id, hpackHeader("x-trailer", "1"));
    trailers![4] = (trailers![4] ?? 0) | END_STREAM;
    last.push(trailers!);
  }
  return [...head, ...data, ...last];
}

/**
 * Frames by hand. The server's frames go to Node's HTTP/2 client, which believes that it made the calls itself: what it
 * writes is dropped.
 */
export const handWritten: Caller = async (address, row, asked) => {
  const socket = net.connect({ port: Number(address.split(":").at(-1)), host: "127.0.0.1" });
  socket.on("error", () => undefined);
  const types: string[] = [];
  let acknowledged = 0;
  let pings = 0;
  let left = Buffer.alloc(0);
  const reader = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => done(),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on("data", (data) => {
    left = Buffer.concat([left, data]);
    while (left.length >= 9 && left.length >= 9 + left.readUIntBE(0, 3)) {
      const frame = left.subarray(0, 9 + left.readUIntBE(0, 3));
      left = left.subarray(frame.length);
      const [type = 0, flags = 0] = frame.subarray(3, 5);
      const stream = frame.readUInt32BE(5);
      if (stream === 1) types.push(TYPES[type] ?? String(type));
      if (type === 0 && frame.length > 9)
        socket.write(
          Buffer.concat([0, stream].map((id) => http2Frame(8, 0, id, Buffer.from([0, ...frame.subarray(0, 3)])))),
        );
      // Node's client sent no PING, and one SETTINGS.
      if (type === 6) pings++;
      if (type === 8) {
        windows.set(stream, window(stream) + frame.readUInt32BE(9));
        flush();
      }
      const isForeign = type === 6 || (type === 4 && (flags & 1) === 1 && acknowledged++ > 0);
      if (!isForeign) reader.push(frame);
    }
  });
  socket.on("close", () => reader.push(null));
  socket.write(Buffer.concat([Buffer.from(PREFACE), SETTINGS]));

  // Frames wait here for windows: those of the streams, and under 0 that of the connection.
  const waiting: Buffer[] = [];
  const windows = new Map<number, number>();
  const window = (id: number): number => windows.get(id) ?? WINDOW;
  const flush = (): void => {
    socket.cork();
    process.nextTick(() => socket.uncork());
    for (let frame = waiting[0]; frame !== undefined; frame = waiting[0]) {
      const [bytes, stream] = [frame[3] === 0 ? frame.length - 9 : 0, frame.readUInt32BE(5)];
      if (bytes > Math.min(window(0), window(stream))) return;
      if (bytes > 0) for (const id of [0, stream]) windows.set(id, window(id) - bytes);
      socket.write(frame);
      waiting.shift();
    }
  };

  const session = http2.connect("http://a", { createConnection: () => reader });
  let id = -1;
  const send = (body: Buffer): SentCall => {
    id += 2;
    const own = id;
    waiting.push(...callFrames(row, own, body));
    flush();
    const stream = session.request({ ":method": "POST", ":path": "/" }, { endStream: true });
    const cancel = (): void => {
      waiting.length = 0;
      socket.write(http2Frame(3, 0, own, Buffer.from([0, 0, 0, resetCode(row)])));
      stream.close(resetCode(row));
    };
    return { stream, cancel };
  };
  const arrived = async (): Promise<void> => {
    const before = pings;
    socket.write(http2Frame(6, 0, 0, Buffer.alloc(8)));
    await eventually(() => pings > before || socket.closed);
  };
  try {
    return await eachStream(row, session, asked, { send, arrived, frames: () => types });
  } finally {
    session.destroy();
    socket.destroy();
  }
};
