import { randomUUID } from "node:crypto";

/** 1 to 128 printable ASCII characters without spaces at the ends. */
const REQUEST_ID = /^[!-~](?:[ -~]{0,126}[!-~])?$/;

/** The request id that a caller sent if it has 1 to 128 printable ASCII characters; otherwise a random UUID. */
export function acceptRequestId(sent: unknown): string {
  return typeof sent === "string" && REQUEST_ID.test(sent) ? sent : randomUUID();
}
