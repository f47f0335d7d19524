import type { IncomingMessage, ServerResponse } from "node:http";

/** The client closed the connection before its request was complete, so no answer can reach it. */
export class ClientGone extends Error {
  constructor() {
    super("The client closed the connection before its request was complete.");
    this.name = "ClientGone";
  }
}

/** Whether a client waits for `100 Continue` before it sends its body (RFC 9110, section 10.1.1). */
export function awaitsContinue(req: IncomingMessage): boolean {
  const { expect } = req.headers;
  return expect !== undefined && /^100-continue$/i.test(expect) && req.httpVersion === "1.1";
}

/**
 * Reads all of a request's body; sends `100 Continue` first to a client that waits for it. A body over the limit is not
 * kept; the server discards the rest of it after the answer, within the request's time.
 *
 * @param limit bytes
 * @returns undefined if the body is longer than the limit
 * @throws {ClientGone}
 */
export function readBody(req: IncomingMessage, res: ServerResponse, limit: number): Promise<Buffer | undefined> {
  if (req.destroyed) return Promise.reject(new ClientGone());
  const announced = Number(req.headers["content-length"] ?? 0);
  if (announced > limit) return Promise.resolve(undefined);
  if (awaitsContinue(req)) res.writeContinue();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let isOver = false;
    // Without a listener for errors, an IncomingMessage that is cut emits none.
    req.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limit) chunks.push(chunk);
      else if (!isOver) {
        isOver = true;
        chunks.length = 0;
        resolve(undefined);
      }
    });
    req.on("end", () => {
      if (isOver) return;
      isOver = true;
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length));
    });
    req.on("close", () => {
      if (!isOver) reject(new ClientGone());
    });
  });
}
