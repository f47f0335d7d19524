// Spellings that key documents may have and tokens may not.

/** Both alphabets of RFC 4648, sections 4 and 5, with the padding that they allow at the end. */
const SPELLINGS = [/^([A-Za-z0-9+/]*)(={0,2})$/, /^([A-Za-z0-9_-]*)(={0,2})$/];

/**
 * Decodes base64 or base64url, padded or not, as key documents spell it. Tokens are read by `decodeBase64url`, which takes
 * one spelling only.
 *
 * @returns the bytes, none for an empty text; undefined for a mix of both alphabets, white space, other characters, wrong
 *   padding, an impossible length, and spare bits other than zero
 */
export function decodeBase64(text: string): Buffer | undefined {
  for (const spelling of SPELLINGS) {
    const [, body, padding = ""] = spelling.exec(text) ?? [];
    if (body === undefined || (padding !== "" && text.length % 4 !== 0)) continue;
    const bytes = Buffer.from(body, "base64");
    // Node's encoder writes the one spelling with spare bits of zero.
    return bytes.toString("base64url") === body.replaceAll("+", "-").replaceAll("/", "_") ? bytes : undefined;
  }
  return undefined;
}

const BYTE_ORDER_MARK = Buffer.from("\ufeff");

/** A document in UTF-8 without the byte order mark that some libraries write before it. */
export function withoutByteOrderMark(document: Buffer): Buffer {
  const { length } = BYTE_ORDER_MARK;
  return document.subarray(0, length).equals(BYTE_ORDER_MARK) ? document.subarray(length) : document;
}
