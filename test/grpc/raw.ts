import type http2 from "node:http2";
import net from "node:net";

// gRPC and HTTP/2 frames written by hand, for tests that send what no client would.

/** The preface and the empty SETTINGS frame that an HTTP/2 client sends first. */
export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
export const SETTINGS = Buffer.from("000000040000000000", "hex");

/** A frame of HTTP/2 (RFC 9113, section 4.1). */
export function http2Frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A number in HPACK with a prefix of the given bits (RFC 7541, section 5.1). */
function hpackNumber(value: number, bits: number, mark: number): number[] {
  const most = 2 ** bits - 1;
  if (value < most) return [mark | value];
  const bytes = [mark | most];
  let left = value - most;
  for (; left >= 128; left >>= 7) bytes.push((left & 127) | 128);
  return [...bytes, left];
}

/**
 * A header in HPACK, with a literal name and no Huffman coding (RFC 7541, section 6.2). @param isKept whether it
 * enters the receiver's table
 */
export function hpackHeader(name: string, value: string, isKept = false): Buffer {
  const text = (one: string): Buffer => Buffer.concat([Buffer.from(hpackNumber(one.length, 7, 0)), Buffer.from(one)]);
  return Buffer.concat([Buffer.from([isKept ? 0x40 : 0]), text(name), text(value)]);
}

/** The headers of a call in HPACK. @param path of a method, or the name of a method of TokenVerifier */
export const callHeaders = (path: string, ...more: readonly [string, string][]): Buffer =>
  Buffer.concat(
    [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", path.startsWith("/") ? path : `/tokenverifier.v1.TokenVerifier/${path}`],
      [":authority", "a"],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
      ...more,
    ].map(([name = "", value = ""]) => hpackHeader(name, value)),
  );

/** A HEADERS frame and as many CONTINUATION frames as a block of headers needs (RFC 9113, section 6.10). */
export function headerFrames(stream: number, block: Buffer): readonly Buffer[] {
  const most = 16 * 1024;
  const parts = Array.from({ length: Math.ceil(block.length / most) }, (_, at) =>
    block.subarray(at * most, (at + 1) * most),
  );
  return parts.map((part, at) => http2Frame(at === 0 ? 1 : 9, at === parts.length - 1 ? 4 : 0, stream, part));
}

/** A gRPC message: the five bytes of its prefix and its content. */
export function frame(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** The types of a stream's frames in the order they arrived (RFC 9113, section 4.1). */
function frameTypes(received: Buffer, stream: number): readonly number[] {
  const types: number[] = [];
  for (let at = 0; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3)) {
    if (received.readUInt32BE(at + 5) === stream) types.push(received[at + 3] ?? -1);
  }
  return types;
}

/** A call on its own connection, whose frames the test writes; bytes written at once arrive at once. */
export class RawCall {
  readonly #socket: net.Socket;
  #received = Buffer.alloc(0);
  #pings = 0;

  /** Opens the connection and the call in one write. @param path and more as in {@link callHeaders} */
  constructor(address: string, path: string, ...more: readonly [string, string][]) {
    this.#socket = net.connect({ port: Number(address.split(":").at(-1)), host: "127.0.0.1" });
    this.#socket.on("error", () => undefined);
    this.#socket.on("data", (data) => {
      this.#received = Buffer.concat([this.#received, data]);
    });
    this.send(Buffer.from(PREFACE), SETTINGS, ...headerFrames(1, callHeaders(path, ...more)));
  }

  send(...frames: readonly Buffer[]): void {
    this.#socket.write(Buffer.concat(frames));
  }

  /** Sends bytes, and waits until the server has read them: it answers a ping sent after them. */
  async arrived(...frames: readonly Buffer[]): Promise<void> {
    this.#pings++;
    this.send(...frames, http2Frame(6, 0, 0, Buffer.alloc(8)));
    await this.#until(() => frameTypes(this.#received, 0).filter((type) => type === 6).length >= this.#pings);
  }

  /** Returns the types of a stream's frames (the call's own by default) once there are that many, or once the connection is over. */
  async frames(count: number, stream = 1): Promise<readonly number[]> {
    await this.#until(() => frameTypes(this.#received, stream).length >= count);
    return frameTypes(this.#received, stream);
  }

  /** Whether the connection is over. */
  get isClosed(): boolean {
    return this.#socket.closed;
  }

  /** Waits until the connection is over. */
  async closed(): Promise<void> {
    await this.#until(() => this.isClosed);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo() && !this.#socket.closed) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Opens a call. */
export function grpcRequest(
  session: http2.ClientHttp2Session,
  method: string,
  headers: http2.OutgoingHttpHeaders = {},
): http2.ClientHttp2Stream {
  const request = session.request({
    ":method": "POST",
    ":path": `/tokenverifier.v1.TokenVerifier/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  request.on("error", () => undefined);
  return request;
}

/** How a call ended: its grpc-status, or "cut" if there was none. */
export function grpcStatus(request: http2.ClientHttp2Stream): Promise<string> {
  let status = "cut";
  const take = (headers: http2.IncomingHttpHeaders): void => {
    if (headers["grpc-status"] !== undefined) status = String(headers["grpc-status"]);
  };
  request.on("response", take);
  request.on("trailers", take);
  request.resume();
  return new Promise((resolve) => request.on("close", () => resolve(status)));
}
