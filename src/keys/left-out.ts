import type { Algorithm } from "../jws/algorithms.js";
import { printable, quote } from "../util/printable.js";
import type { KeyErrorCause, KeyErrorKind } from "./key.js";
import type { ForIssuers } from "./key-issuers.js";

/** A key of a set that is not used. */
export interface LeftOut extends ForIssuers {
  /** Its position in `keys`, from 0. */
  readonly index: number;
  /** Its whole `kid`; a number is written in its digits. Absent if it has none that a token can name. */
  readonly kid?: string;
  /** What is wrong and how to put it right; contains no key material. */
  readonly why: string;
  /** What a token that names the key is worth. */
  readonly kind: KeyErrorKind;
  /** Why the key is not used, in one word for callers. */
  readonly cause: KeyErrorCause;
  /** The algorithms that a key of its type and curve verifies, in any realm; empty if its type is unknown. */
  readonly algorithms: readonly Algorithm[];
  /** Its own `alg`, if that is a string; the name in `ALGORITHMS` of one that has two. */
  readonly alg?: string;
  /** Its own `use`, if that is a string. */
  readonly use?: string;
}

/**
 * Whether the key is at fault: an error in a configuration, a warning for a fetched set. A key that is only set aside is
 * for something else.
 */
export const isFaulty = ({ kind }: Pick<LeftOut, "kind">): boolean => kind !== "set aside";

/** Which key of its set it is, for people: `keys[1]`, with its `kid` if it has one. */
export const placeInSet = ({ index, kid }: Pick<LeftOut, "index" | "kid">): string =>
  `keys[${index}]${kid === undefined ? "" : ` (kid ${printable(quote(kid))})`}`;
