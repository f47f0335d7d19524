import type { KeyObject } from "node:crypto";
import type { Algorithm } from "../jws/algorithms.js";
import type { Uses } from "./uses.js";

/**
 * A key that was checked and is ready to verify: bound to one algorithm, and to one realm or instance. Its identity as
 * an object is what the fact cache goes by: whoever trusts the same key twice must hand out the same object.
 */
export interface VerificationKey {
  /** The one algorithm that it verifies. */
  readonly algorithm: Algorithm;
  /** The `kid` that tokens name it by; undefined: it fits any token. */
  readonly kid: string | undefined;
  /** The prepared key. */
  readonly key: KeyObject;
  /**
   * What logs and `check` call it: the RFC 7638 thumbprint of a public key; for a secret one its length alone, for a
   * digest of a guessable secret would give it away.
   */
  readonly label: string;
  /** What it costs to try it on a short token: microseconds of CPU, about. */
  readonly cost: number;
  /** Counts the verifications that it served, of a realm's keys. */
  readonly uses: Uses;
}
