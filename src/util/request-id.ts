import { randomUUID } from "node:crypto";

/** 1 to 128 printable ASCII characters without spaces at the ends. */
const ADMITTED = /^[!-~](?:[ -~]{0,126}[!-~])?$/;

/** The request id that a caller sent, where it can stand in a log line as it is; otherwise a new one. */
export function acceptRequestId(sent: unknown): string {
  return typeof sent === "string" && ADMITTED.test(sent) ? sent : randomUUID();
}
