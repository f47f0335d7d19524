import { createHmac, hash, randomBytes } from "node:crypto";
import { inspect } from "node:util";

/** Random in each process, so that a fingerprint in a log cannot be found by guessing. */
const FINGERPRINT_KEY = randomBytes(32);

/** Random in each process, so that a caller can neither choose a digest nor learn from the time of a look-up by it. */
const DIGEST_KEY = randomBytes(32).toString("base64");

/**
 * A string that must never be printed: a token, a secret key, a client secret.
 *
 * String conversion, JSON, `console.log` and loggers get a fingerprint instead: the first 8 hex digits of an
 * HMAC-SHA-256 under a key of this process. Equal strings have equal fingerprints within one process, and unrelated ones
 * in another.
 */
export class Secret {
  readonly #text: string;
  #digest = "";
  #scope: string | undefined;

  /** @param text any string, including the empty one */
  constructor(text: string) {
    this.#text = text;
  }

  /** The string itself. Call it only where you use the string, and do not store the result. */
  reveal(): string {
    return this.#text;
  }

  /** True for the empty string. */
  get isEmpty(): boolean {
    return this.#text === "";
  }

  /** The length in UTF-16 code units. */
  get length(): number {
    return this.#text.length;
  }

  /**
   * A digest to find the string by in memory, and to compare it by in a time that tells nothing about it: SHA-256 over a key
   * of this process, the scope and the string, in Latin-1. Computed once for a scope. It must not leave the process.
   *
   * @param scope different scopes give unrelated digests; none is a scope of its own
   */
  digest(scope?: string): string {
    if (this.#digest === "" || this.#scope !== scope) {
      const place = scope === undefined ? "" : `${scope.length}:${scope}`;
      this.#scope = scope;
      this.#digest = hash("sha256", `${DIGEST_KEY}${place}\0${this.#text}`, "binary");
    }
    return this.#digest;
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
