import type { IncomingMessage } from "node:http";
import type { FaceRequest } from "../vendors/vendor.js";

const NONE: readonly string[] = [];

/** The head of a request. It reads only the headers that are asked for: Node's `headersDistinct` makes a list for each. */
export class RequestHead implements FaceRequest {
  readonly method: string;
  readonly #req: IncomingMessage;

  constructor(req: IncomingMessage) {
    this.method = req.method ?? "";
    this.#req = req;
  }

  values(name: string): readonly string[] {
    const { headers, rawHeaders } = this.#req;
    if (headers[name] === undefined) return NONE;
    const values: string[] = [];
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const key = rawHeaders[at] as string;
      if (key.length === name.length && key.toLowerCase() === name) values.push(rawHeaders[at + 1] as string);
    }
    return values;
  }
}
