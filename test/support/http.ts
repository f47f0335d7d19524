import net from "node:net";

/** A request, as its bytes encode it. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly target: string;
  /** Headers in order, with repeated ones, in latin-1. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The body, undefined for a request without body and Content-Length. */
  readonly body?: Buffer | undefined;
  /** Sends the body in chunks instead of announcing its length. */
  readonly chunked?: boolean;
}

/** An answer, as its bytes encode it. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** Whether `100 Continue` came before it. */
  readonly continued: boolean;
}

/** The values of a header of an answer. */
export function valuesOf({ headers }: Pick<HttpAnswer, "headers">, name: string): readonly string[] {
  return headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

/** The bytes of a request. @param connection the `Connection` header, which is omitted if empty */
export function requestBytes({ method, target, headers, body, chunked }: HttpRequest, connection = "close"): Buffer {
  const lines = [`${method} ${target} HTTP/1.1`, "Host: 127.0.0.1"];
  if (connection !== "") lines.push(`Connection: ${connection}`);
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  if (chunked === true) lines.push("Transfer-Encoding: chunked");
  else if (body !== undefined) lines.push(`Content-Length: ${body.length}`);
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  if (body === undefined) return head;
  if (chunked !== true) return Buffer.concat([head, body]);
  const chunk = [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n")];
  return Buffer.concat([head, ...(body.length === 0 ? [] : chunk), Buffer.from("0\r\n\r\n")]);
}

/** Sends bytes over a new connection and returns everything that the server sends until it closes it. */
export function sendBytes(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    const socket = net.connect(port, "127.0.0.1");
    socket.on("data", (data) => received.push(data));
    socket.on("close", () => resolve(Buffer.concat(received)));
    // A server that answers before it has the whole body resets the connection, and its answer still counts.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.write(bytes);
  });
}

/** Reads the consecutive answers in a connection's bytes. @param methods the methods of the requests, in order */
export function readAnswers(bytes: Buffer, methods: readonly string[]): HttpAnswer[] {
  const answers: HttpAnswer[] = [];
  let at = 0;
  for (const method of methods) {
    let continued = false;
    let end = bytes.indexOf("\r\n\r\n", at);
    if (bytes.subarray(at, end).toString("latin1").startsWith("HTTP/1.1 100 ")) {
      continued = true;
      at = end + 4;
      end = bytes.indexOf("\r\n\r\n", at);
    }
    if (end < 0) throw new Error(`no answer: ${bytes.subarray(at).toString("latin1").slice(0, 200)}`);
    const [first = "", ...lines] = bytes.subarray(at, end).toString("latin1").split("\r\n");
    const headers = lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
    });
    const length = method === "HEAD" ? 0 : Number(valuesOf({ headers }, "content-length")[0]);
    const body = bytes.subarray(end + 4, end + 4 + length);
    if (body.length !== length) throw new Error(`an answer of ${body.length} instead of ${length} bytes`);
    answers.push({ status: Number(first.slice(9, 12)), headers, body: body.toString("utf8"), continued });
    at = end + 4 + length;
  }
  if (at !== bytes.length)
    throw new Error(`more than was asked for: ${bytes.subarray(at).toString("latin1").slice(0, 200)}`);
  return answers;
}

/** Sends one request over a new connection. */
export async function exchange(port: number, request: HttpRequest): Promise<HttpAnswer> {
  const [answer] = readAnswers(await sendBytes(port, requestBytes(request)), [request.method]);
  if (answer === undefined) throw new Error("no answer");
  return answer;
}
