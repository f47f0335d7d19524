/**
 * Decodes base64url without padding (RFC 7515 section 2), one spelling for each sequence of bytes.
 *
 * Padding, `+` and `/`, white space, non-ASCII, a length that no bytes have and spare bits other than zero are refused.
 *
 * @returns the bytes, none for an empty text; undefined where the text is not the canonical one
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  // Node's decoder skips whatever it does not know. What it wrote itself is the one spelling that we take.
  return bytes.toString("base64url") === text ? bytes : undefined;
}
