import type { KeyObject } from "node:crypto";

/**
 * Whether two keys are one. Keys of different kinds are not compared at all: OpenSSL leaves an error behind then, for
 * which Node 20 refuses the next private key that is read, whatever it is.
 */
export function isSameKey(one: KeyObject, other: KeyObject): boolean {
  return (
    one.type === other.type &&
    one.asymmetricKeyType === other.asymmetricKeyType &&
    one.asymmetricKeyDetails?.namedCurve === other.asymmetricKeyDetails?.namedCurve &&
    one.equals(other)
  );
}
