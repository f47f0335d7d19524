// How much of JSON is read, and what is refused.

/** Deepest nesting of a strictly read text; the outermost object or array is the first level. */
export const MAX_DEPTH = 128;

/** Most members and array elements of a strictly read text, at all levels together, unless the reader says otherwise. */
export const MAX_ITEMS = 2_000;

/** How much of JSON is accepted: `tolerant` accepts what JSON.parse accepts, `strict` is explained at `readObject`. */
export type Rules = "strict" | "tolerant";

/** Why a text was refused. */
export type JsonFault =
  | "not UTF-8"
  | "not JSON"
  | "not an object"
  | "duplicate member"
  | "too deep"
  | "too many items"
  | "number too large"
  | "half a character";
