import { createHmac, randomBytes } from "node:crypto";
import { inspect } from "node:util";

/** Drawn anew in each process, so that a fingerprint in a log cannot be searched for by guessing. */
const FINGERPRINT_KEY = randomBytes(32);

/**
 * A text that must never be printed: a token, a secret key, a client secret.
 *
 * Whatever prints it (string conversion, JSON, `console.log`, a logger) gets a fingerprint instead:
 * the first 8 hex digits of an HMAC-SHA-256 under a key that lives as long as the process. Equal texts
 * have equal fingerprints within one process and unrelated ones in another.
 */
export class Secret {
  readonly #text: string;

  /** @param text the text to be kept; any string, the empty one included */
  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself. Call it only where the text is used, and keep the result in no field. */
  reveal(): string {
    return this.#text;
  }

  /** True where the text is empty. */
  get isEmpty(): boolean {
    return this.#text === "";
  }

  /** Number of UTF-16 code units in the text. */
  get length(): number {
    return this.#text.length;
  }

  /** `secret:` and 8 hex digits. */
  toString(): string {
    return `secret:${createHmac("sha256", FINGERPRINT_KEY).update(this.#text).digest("hex").slice(0, 8)}`;
  }

  /** The same as {@link toString}. */
  toJSON(): string {
    return this.toString();
  }

  /** The same as {@link toString}. */
  [inspect.custom](): string {
    return this.toString();
  }
}
