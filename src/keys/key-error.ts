import { quote, truncate } from "../util/printable.js";

/** A key that is not taken. The message says what is wrong and what would be right, and holds no key material. */
export class KeyError extends Error {
  override readonly name = "KeyError";

  /**
   * True where nothing is wrong with the key as such: it is meant for another algorithm or use than ours. Such a key is
   * set aside in a key set; standing alone it is an error like any other.
   */
  readonly foreign: boolean;

  constructor(message: string, { foreign = false }: { readonly foreign?: boolean } = {}) {
    super(message);
    this.foreign = foreign;
  }
}

/** Somebody else's text for a line of a log: the first 64 characters of it. */
export function shortened(text: string): string {
  return truncate(text, 64);
}

/** The same for a message: quoted, control characters escaped. */
export function quoted(text: string): string {
  return quote(text);
}
