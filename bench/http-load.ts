import net from "node:net";

// An HTTP/1.1 client on plain sockets that costs less than the servers it loads: requests are bytes made in advance, and of
// an answer it reads the status and the length.

/** A client with open connections, each of which has one request at a time. */
export interface HttpClient {
  /** Sends a request as bytes; rejects unless the answer is a 200. @returns the answer's body */
  send(request: Buffer): Promise<Buffer>;
  close(): void;
}

/** Returns the bytes of a POST. @param headers besides the host and the length */
export function postOf(path: string, headers: Readonly<Record<string, string>>, body = ""): Buffer {
  const lines = Object.entries({
    Host: "bench.example",
    ...headers,
    "Content-Length": String(Buffer.byteLength(body)),
  });
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`,
  );
}

/** Returns a client of a server. Each request in flight has a connection, and connections stay open. @param address host and port */
export function httpClient(address: string): HttpClient {
  const [host = "", port = ""] = address.split(":");
  const idle = new Set<Connection>();
  return {
    async send(request) {
      const [kept] = idle;
      if (kept !== undefined) idle.delete(kept);
      const connection = kept ?? (await connect(host, Number(port), (closed) => idle.delete(closed)));
      const body = await connection.send(request);
      idle.add(connection);
      return body;
    },
    close: () => {
      for (const connection of idle) connection.close();
    },
  };
}

type Connection = HttpClient;

async function connect(host: string, port: number, onClose: (connection: Connection) => void): Promise<Connection> {
  const socket = net.connect({ host, port, noDelay: true });
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  let received: Buffer = Buffer.alloc(0);
  let resolve: (body: Buffer) => void = () => {};
  let reject: (error: Error) => void = () => {};
  socket.on("error", (error) => reject(error));
  socket.on("close", () => {
    reject(new Error("the server closed the connection"));
    onClose(connection);
  });
  socket.on("data", (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const answer = readAnswer(received);
    if (answer === undefined) return;
    received = Buffer.alloc(0);
    if (answer.status === 200) resolve(answer.body);
    else reject(new Error(`status ${answer.status}: ${answer.body.toString()}`));
  });
  const connection: Connection = {
    send: (request) =>
      new Promise((good, bad) => {
        resolve = good;
        reject = bad;
        socket.write(request);
      }),
    close: () => socket.destroy(),
  };
  return connection;
}

/** Reads an answer; undefined until all of it has arrived. Without a length it has no body. */
function readAnswer(bytes: Buffer): { readonly status: number; readonly body: Buffer } | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end + 2);
  const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
  const from = end + 4;
  const until = from + Number(length ?? 0);
  if (bytes.length < until) return undefined;
  return { status: Number(head.slice(9, 12)), body: bytes.subarray(from, until) };
}
