import type { MasterKeys } from "../master-keys.js";
import { readBulkEntry } from "./bulk-read.js";
import type { ImportLine } from "./import.js";

/** The longest line, in bytes: what is longer is no entry, and must not fill the memory. */
const MAX_LINE = 1_048_576;

const NEWLINE = 0x0a;
const BLANK = /^[ \t\r]*$/;

/**
 * Reads JSON Lines, one entry a line; blank lines are passed over. Memory does not grow with the input.
 *
 * @param bytes chunks, cut anywhere
 * @param keys what sealed values are opened with
 */
export async function* readBulkLines(bytes: AsyncIterable<Uint8Array>, keys: MasterKeys): AsyncGenerator<ImportLine> {
  let line = 0;
  for await (const content of splitLines(bytes)) {
    line += 1;
    if (content === undefined) yield { line, problem: "is longer than 1 MiB. Give one entry a line." };
    else if (content.length > 8 || !BLANK.test(content.toString("latin1"))) yield readBulkEntry(line, content, keys);
  }
}

/** The lines without their ends; undefined for one that is too long. */
async function* splitLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer | undefined> {
  let parts: Buffer[] = [];
  let length = 0;
  const add = (part: Buffer): void => {
    length += part.length;
    if (length > MAX_LINE) parts = [];
    else parts.push(part);
  };
  const take = (): Buffer | undefined => {
    const line = length > MAX_LINE ? undefined : Buffer.concat(parts);
    parts = [];
    length = 0;
    return line;
  };
  for await (const some of bytes) {
    const chunk = Buffer.from(some.buffer, some.byteOffset, some.byteLength);
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, end));
      start = end + 1;
      yield take();
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (length > 0) yield take();
}
