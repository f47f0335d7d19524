import http2 from "node:http2";

// A gRPC client on node:http2 that costs less than the servers it loads. It sends messages that are encoded in advance, and
// looks at no more of an answer than whether it verifies every token.

/** The connections of a client: as few as a service of a company has to another. */
const CONNECTIONS = 4;

/** A window that no answer fills. */
const WINDOW = 16 * 1024 ** 2;

/** Prefixes a message with the five bytes of gRPC. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** A client with some connections to one server. */
export interface GrpcClient {
  /** Makes a unary call. @param frame the request with its prefix @returns the answer with its prefix */
  call(path: string, frame: Buffer): Promise<Buffer>;
  /** Opens a stream on the next connection. */
  stream(path: string): MessageStream;
  close(): void;
}

/** A bidirectional stream, whose server answers in any order. */
export interface MessageStream {
  /** Sends a message with its prefix; resolves with the next answer, of whichever message. */
  send(frame: Buffer): Promise<Buffer>;
  /** Ends the stream, and resolves when the server has. */
  end(): Promise<void>;
}

/** Opens a client. @param address host and port @param headers of each call besides gRPC's own, of 32 bytes each */
export function grpcClient(address: string, connections = CONNECTIONS, headers = 0): GrpcClient {
  const more = Object.fromEntries(
    Array.from({ length: headers }, (_, n) => [`x-header-${n + 100}`, "a-value-of-20-bytes!"]),
  );
  const sessions = Array.from({ length: connections }, () => {
    const session = http2.connect(`http://${address}`, { settings: { initialWindowSize: WINDOW, enablePush: false } });
    session.once("connect", () => session.setLocalWindowSize(WINDOW));
    session.on("error", () => {});
    return session;
  });
  let turn = 0;
  const open = (path: string): http2.ClientHttp2Stream => {
    const session = sessions[turn++ % sessions.length];
    if (session === undefined) throw new Error("a client without connections");
    return session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "bench",
      ...more,
    });
  };
  return {
    call: (path, frame) => unary(open(path), frame),
    stream: (path) => messages(open(path)),
    close: () => {
      for (const session of sessions) session.destroy();
    },
  };
}

function unary(stream: http2.ClientHttp2Stream, frame: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let status: unknown;
    const look = (headers: http2.IncomingHttpHeaders): void => {
      status = headers["grpc-status"] ?? status;
    };
    stream.on("response", look);
    stream.on("trailers", look);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => {
      if (status !== "0") return reject(new Error(`gRPC status ${String(status)}`));
      const [first] = chunks;
      resolve(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks));
    });
    stream.end(frame);
  });
}

function messages(stream: http2.ClientHttp2Stream): MessageStream {
  const waiting: { resolve: (answer: Buffer) => void; reject: (error: Error) => void }[] = [];
  let rest: Buffer = Buffer.alloc(0);
  const fail = (error: Error): void => {
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  stream.on("error", fail);
  stream.on("trailers", ({ "grpc-status": status }: http2.IncomingHttpHeaders) => {
    fail(new Error(`the stream ended with the gRPC status ${String(status)}`));
  });
  stream.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 5) {
      const end = 5 + rest.readUInt32BE(1);
      if (rest.length < end) break;
      waiting.shift()?.resolve(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  });
  return {
    send: (frame) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        stream.write(frame);
      }),
    end: () =>
      new Promise((resolve) => {
        stream.once("close", resolve);
        stream.end();
      }),
  };
}
