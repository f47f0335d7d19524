import type { Duplex } from "node:stream";
import { acceptRequestId } from "../../util/request-id.js";
import type { Exchanges } from "./exchanges.js";

/** How Node calls a request that did not come in time. */
const LATE = "ERR_HTTP_REQUEST_TIMEOUT";

const STATUS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  [LATE]: "408 Request Timeout",
};

/** How long a client may go on sending what is no HTTP request, after it was told so: milliseconds. */
const LINGER = 1000;

/** The whole answer to what is no HTTP request. */
function refusal(code: string | undefined): string {
  const status = STATUS[code ?? ""] ?? "400 Bad Request";
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
 * A server's listener for `clientError`: answers what is no HTTP request, or was not whole in time, after the whole requests
 * that came before it on the connection, and closes.
 */
export function onClientError(exchanges: Exchanges): (error: NodeJS.ErrnoException, socket: Duplex) => void {
  const refused = new WeakSet<Duplex>();
  const refuse = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    if (refused.has(socket)) return;
    if (error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    const before = exchanges.on(socket).findLast(({ req }) => req.complete);
    if (before !== undefined) {
      before.once("close", () => refuse(error, socket));
      return;
    }
    refused.add(socket);
    // What is malformed, or late, may be the rest of a request that has its answer.
    const last = exchanges.latest(socket);
    const isAnswered = last?.req.complete === false && last.headersSent;
    socket.end(isAnswered ? undefined : refusal(error.code));
    const cut = setTimeout(() => socket.destroy(), LINGER);
    socket.once("close", () => clearTimeout(cut));
  };
  return (error, socket) => {
    if (error.code !== LATE) {
      refuse(error, socket);
      return;
    }
    const before = exchanges.latest(socket);
    const wasWhole = before?.req.complete;
    // Where this process stood still, the rest may have come in time: it is read first.
    setImmediate(() => {
      const last = exchanges.latest(socket);
      if (last?.req.complete !== true || (last === before && wasWhole)) refuse(error, socket);
    });
  };
}
