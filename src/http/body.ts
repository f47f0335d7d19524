import type { IncomingMessage, ServerResponse } from "node:http";

/** Whether a client waits for `100 Continue` before it sends its body (RFC 9110, section 10.1.1). */
export function awaitsContinue(req: IncomingMessage): boolean {
  const { expect } = req.headers;
  return expect !== undefined && /^100-continue$/i.test(expect) && req.httpVersion === "1.1";
}

/**
 * Reads all of a request's body; sends `100 Continue` first to a client that waits for it. A body over the limit is not
 * kept; the server discards the rest of it after the answer, within the request's time. There is no promise, because each
 * costs a request a turn of the queue.
 *
 * @param limit bytes
 * @param done gets the body, or undefined if it is longer than the limit; never called if the client closes the connection
 *   before its request is complete
 */
export function readBody(
  req: IncomingMessage,
  res: ServerResponse,
  limit: number,
  done: (body: Buffer | undefined) => void,
): void {
  if (req.destroyed) return;
  const announced = Number(req.headers["content-length"] ?? 0);
  if (announced > limit) {
    done(undefined);
    return;
  }
  if (awaitsContinue(req)) res.writeContinue();
  const chunks: Buffer[] = [];
  let length = 0;
  // Without a listener for errors, an IncomingMessage that is cut emits none.
  req.on("data", (chunk: Buffer) => {
    const isOver = length > limit;
    length += chunk.length;
    if (length <= limit) chunks.push(chunk);
    else if (!isOver) {
      chunks.length = 0;
      done(undefined);
    }
  });
  req.on("end", () => {
    if (length <= limit) done(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length));
  });
}
