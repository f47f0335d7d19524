import type { IncomingMessage, ServerResponse } from "node:http";

/** The client went away before its request was whole: there is nobody to answer. */
export class ClientGone extends Error {
  constructor() {
    super("The client closed the connection before its request was complete.");
    this.name = "ClientGone";
  }
}

/**
 * Reads a request's body, whole.
 *
 * A client that waits to be asked for it (`Expect: 100-continue`) is asked here. What is over the limit is left
 * unread; the server drops it after the answer, within the request's time.
 *
 * @param limit bytes
 * @returns undefined where the body is longer than the limit
 * @throws {ClientGone}
 */
export function readBody(req: IncomingMessage, res: ServerResponse, limit: number): Promise<Buffer | undefined> {
  const announced = Number(req.headers["content-length"] ?? 0);
  if (announced > limit) return Promise.resolve(undefined);
  if (/^100-continue$/i.test(req.headers.expect ?? "") && req.httpVersion === "1.1") res.writeContinue();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const done = (): void => {
      req.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      chunks.push(chunk);
      if (length <= limit) return;
      done();
      // An error after this concerns nobody; without a listener it would end the process.
      req.on("error", () => {}).resume();
      resolve(undefined);
    };
    const onEnd = (): void => {
      done();
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length));
    };
    const onClose = (): void => {
      done();
      reject(new ClientGone());
    };
    req.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}
