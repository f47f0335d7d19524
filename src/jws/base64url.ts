// Node's decoder is fast and lenient: it skips what it does not know, takes both alphabets, and takes a character beyond
// Latin-1 for its lowest byte. What it returns is right only for texts that these checks accept.

const WIDE = /[\u0100-\uffff]/;

/** The letters whose spare bits are zero: the last of two, and of three, that end a text (RFC 4648, section 3.5). */
const LAST_OF_TWO = "AQgw";
const LAST_OF_THREE = "AEIMQUYcgkosw048";

/**
 * Decodes base64url without padding (RFC 7515 section 2). Every sequence of bytes has one accepted spelling.
 *
 * @returns the bytes, none for an empty text; undefined for padding, `+` and `/`, white space, other characters, an
 *   impossible length, and spare bits other than zero
 */
export function decodeBase64url(text: string): Buffer | undefined {
  return mayMislead(text) ? undefined : decodeSegment(text);
}

/** Whether a text has a character that Node's decoder takes for a letter of base64url: `+`, `/`, or one beyond Latin-1. */
export function mayMislead(text: string): boolean {
  return text.includes("+") || text.includes("/") || WIDE.test(text);
}

/** Decodes as {@link decodeBase64url} does. @param text a part of a text that does not {@link mayMislead} */
export function decodeSegment(text: string): Buffer | undefined {
  const { length } = text;
  const spare = length % 4;
  if (spare === 1) return undefined;
  if (spare === 2 && !LAST_OF_TWO.includes(text.charAt(length - 1))) return undefined;
  if (spare === 3 && !LAST_OF_THREE.includes(text.charAt(length - 1))) return undefined;
  const bytes = Buffer.from(text, "base64url");
  // Each character that the decoder skipped makes the result shorter, and so does padding.
  return bytes.length === Math.floor((length * 3) / 4) ? bytes : undefined;
}
