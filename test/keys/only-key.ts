import { expect } from "chai";
import type { VerificationKey } from "../../src/keys/key.js";

/** Returns the key of a list that holds exactly one. */
export function onlyKey(keys: readonly VerificationKey[]): VerificationKey {
  expect(keys).to.have.length(1);
  return keys[0] as VerificationKey;
}
