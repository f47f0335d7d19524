import { randomBytes } from "node:crypto";
import type { Position } from "../contract/verdict-parts.js";

export type { Position } from "../contract/verdict-parts.js";

/** A value read from the store, and the feed's position in the same snapshot. */
export interface Positioned<Value> {
  readonly value: Value;
  readonly position: Position;
}

/** Draws the mark of a commit. */
export const drawMark = (): string => randomBytes(16).toString("base64url");
