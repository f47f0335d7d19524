import type { Operator } from "./operator.js";
import type { Random } from "./random.js";
import type { Replica, Rig } from "./rig.js";

/** What a fault needs, without which it is left out. */
export type Need = "postgres" | "direct" | "workers" | "clock" | "old";

/** The targets that a fault concerns: `victim` is one replica, picked at random. */
export type Scope = "none" | "victim" | "replicas" | "victim and gateways" | "all";

/** What a fault acts on. */
export interface Scene {
  readonly rig: Rig;
  readonly operator: Operator;
  readonly random: Random;
  readonly victim: Replica;
}

/** A fault: what happens, how long, and what may be felt of it. */
export interface Fault {
  readonly name: string;
  readonly needs?: readonly Need[];
  /** How long it lasts once it has begun, in seconds. */
  readonly lasts: number;
  /** How long it may be felt after its end, in seconds. */
  readonly recovery: number;
  /** Whose calls may fail meanwhile. */
  readonly failing: Scope;
  /** Who may not hear of changes meanwhile. */
  readonly deaf: Scope;
  /** Begins it. @returns what ends it; a killed process is started again by then */
  begin(scene: Scene): Promise<() => unknown>;
}
