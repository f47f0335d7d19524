import { createHmac, createSecretKey, type KeyObject, randomBytes } from "node:crypto";

const MINUTE = 60_000;

/** How many minutes a nonce counts, the one in which it was made included. */
const MINUTES = 3;

/**
 * The nonces that DPoP proofs must hold if the caller demands it (RFC 9449, section 8 and 9). Nothing is kept: a nonce is
 * an HMAC-SHA-256 over the realm's name and the minute, so every process with the same keys accepts it.
 */
export class Nonces {
  readonly #keys: readonly KeyObject[];

  /** @param keys the current key first, then the previous ones; none: a random key, which no other process has */
  constructor(keys: readonly KeyObject[] = []) {
    this.#keys = keys.length > 0 ? keys : [createSecretKey(randomBytes(32))];
  }

  /** The nonce to hand out now. @param now milliseconds since 1970 */
  current(realm: string, now: number): string {
    return nonceOf(this.#keys[0] as KeyObject, realm, Math.floor(now / MINUTE));
  }

  /** Whether a nonce is that of this minute or the two before, under any of the keys. @param now milliseconds since 1970 */
  accepts(realm: string, nonce: string, now: number): boolean {
    const minute = Math.floor(now / MINUTE);
    for (let age = 0; age < MINUTES; age++) {
      // An early exit reveals nothing: anyone who can measure it is given the nonce.
      if (this.#keys.some((key) => nonceOf(key, realm, minute - age) === nonce)) return true;
    }
    return false;
  }
}

function nonceOf(key: KeyObject, realm: string, minute: number): string {
  return createHmac("sha256", key).update(`${minute}:${realm}`).digest("base64url");
}
