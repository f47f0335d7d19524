import { randomFillSync } from "node:crypto";

/** How many are made at a time. */
const COUNT = 128;

/** Bytes of a UUID, and characters of its text. */
const BYTES = 16;
const CHARACTERS = 36;

/** The bytes before which the text has a hyphen. */
const HYPHENS = new Set([4, 6, 8, 10]);

const DIGITS = Buffer.from("0123456789abcdef", "latin1");

const random = Buffer.alloc(COUNT * BYTES);
const texts = Buffer.alloc(COUNT * CHARACTERS);
let next = COUNT;

/**
 * A random UUID (version 4, RFC 9562), from the system's secure random numbers. The text of crypto.randomUUID() is joined
 * from twenty pieces, whose memory costs more than the rest.
 */
export function randomUuid(): string {
  if (next === COUNT) refill();
  const at = next++ * CHARACTERS;
  return texts.toString("latin1", at, at + CHARACTERS);
}

function refill(): void {
  randomFillSync(random);
  let at = 0;
  for (let index = 0; index < random.length; index++) {
    const place = index % BYTES;
    let byte = random[index] as number;
    if (place === 6) byte = (byte & 0x0f) | 0x40;
    if (place === 8) byte = (byte & 0x3f) | 0x80;
    if (HYPHENS.has(place)) texts[at++] = 0x2d;
    texts[at++] = DIGITS[byte >> 4] as number;
    texts[at++] = DIGITS[byte & 15] as number;
  }
  next = 0;
}
