import { KeyError, quoted } from "./key-error.js";

/**
 * Checks the `kid` of a key (RFC 7517 section 4.5).
 *
 * @throws KeyError where it is there and is not a text, or an empty one
 */
export function checkKid(kid: unknown): asserts kid is string | undefined {
  if (kid === undefined) return;
  if (typeof kid !== "string") throw new KeyError('"kid" is not a string: give a text, or leave it out');
  if (kid === "") throw new KeyError('"kid" is empty: give the text that tokens carry, or leave it out');
}

/**
 * The `kid` of a key, from the configuration or from the key itself.
 *
 * @throws KeyError where one of them is refused, or where they contradict each other
 */
export function chooseKid(configured: string | undefined, stated: unknown): string | undefined {
  checkKid(configured);
  checkKid(stated);
  if (configured !== undefined && stated !== undefined && configured !== stated) {
    throw new KeyError(
      `the key's "kid" is ${quoted(stated)}, but ${quoted(configured)} is configured: make them agree`,
    );
  }
  return configured ?? stated;
}
