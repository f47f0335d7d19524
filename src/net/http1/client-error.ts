import type { Duplex } from "node:stream";
import { acceptRequestId } from "../../contract/call.js";
import type { Pipelines } from "./pipeline.js";

/** Node's code for a request that did not arrive in time. */
const LATE = "ERR_HTTP_REQUEST_TIMEOUT";

const STATUS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  [LATE]: "408 Request Timeout",
};

const statusOf = (code: string | undefined): string => STATUS[code ?? ""] ?? "400 Bad Request";

/** Milliseconds that a client gets to read the answer and close, while it may still be sending. */
const LINGER = 1000;

/** The whole response to input that is not an HTTP request. */
function responseTo(code: string | undefined): string {
  const status = statusOf(code);
  const body = JSON.stringify({ error: status.slice(4) });
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": body.length,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Request-Id": acceptRequestId(undefined),
    Connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status}\r\n${lines.join("")}\r\n${body}`;
}

/**
 * Makes a server's `clientError` listener: answers malformed or late input with 400, 408 or 431, after the answers to the whole
 * requests before it on the connection, and closes the connection.
 *
 * @param answered called with the status of each such answer
 */
export function onClientError(
  pipelines: Pipelines,
  answered: (status: number) => void,
): (error: NodeJS.ErrnoException, socket: Duplex) => void {
  const failed = new WeakSet<Duplex>();
  const answer = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const before = pipelines.unanswered(socket).findLast(({ req }) => req.complete);
    if (before !== undefined) {
      before.once("close", () => answer(error, socket));
      return;
    }
    // The malformed or late bytes may be the rest of a request that has its answer.
    const last = pipelines.latest(socket);
    const isAnswered = last?.req.complete === false && last.headersSent;
    socket.end(isAnswered ? undefined : responseTo(error.code));
    if (!isAnswered) answered(Number.parseInt(statusOf(error.code), 10));
    const cut = setTimeout(() => socket.destroy(), LINGER);
    socket.once("close", () => clearTimeout(cut));
  };
  const answerOnce = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    if (error.code === "ECONNRESET") socket.destroy();
    // Node reports each piece of input after the first error as another one.
    if (failed.has(socket)) return;
    failed.add(socket);
    answer(error, socket);
  };
  return (error, socket) => {
    if (error.code !== LATE) {
      answerOnce(error, socket);
      return;
    }
    const before = pipelines.latest(socket);
    const wasWhole = before?.req.complete;
    // After a pause of this process the rest may have arrived in time: it is read first.
    setImmediate(() => {
      const last = pipelines.latest(socket);
      if (last?.req.complete !== true || (last === before && wasWhole)) answerOnce(error, socket);
    });
  };
}
