import type { ReasonName } from "../contract/reasons.js";
import type { Failure, Principal, Rejected, VerificationRequest } from "../contract/verifier.js";
import type { DirectoryLack, KnownDirectory } from "../directory/directory.js";
import type { JsonObject } from "../jws/json.js";
import type { VerificationKey } from "../keys/key.js";
import type { Fact, FactCache } from "./facts.js";
import type { Caller, Realm, RuleContext } from "./realm.js";

/** All that a decision rests on. Immutable for as long as a decision lasts. */
export interface View {
  readonly realms: ReadonlyMap<string, Realm>;
  readonly directory: KnownDirectory;
  /** A memory of what was computed before; no decision depends on what it holds. */
  readonly facts: FactCache;
}

/** What must be loaded before a decision can be reached. */
export type Lack =
  | DirectoryLack
  | {
      readonly kind: "keys";
      readonly realm: Realm;
      readonly kid: string | undefined;
      /** When the question came, in milliseconds since 1970: keys that are fetched after it answer it. */
      readonly since: number;
    };

/** Where a stage ends the way of a token: rejected, failed, or for want of something. */
export type Stop = Rejected | Failure | { readonly kind: "lacks"; readonly lack: Lack };

/** One token on its way through the stages. Each stage reads what those before it found out, and adds its own. */
export interface Case extends RuleContext {
  readonly request: VerificationRequest;
  readonly realm: Realm;
  readonly view: View;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** When the question came; before `now` where something had to be loaded for it. */
  readonly since: number;
  /** Stage `caller`. */
  caller: Caller;
  /** Stage `shape`. */
  text: string;
  /** Known before where a route had to compute it. */
  digest: string;
  header: JsonObject;
  claims: JsonObject;
  payload: string;
  /** What is missing of a fact while the signature has not been checked; undefined where the fact is known. */
  unproven: { readonly signingInput: string; readonly signature: Buffer } | undefined;
  /** Stage `key`: the keys that fit. */
  candidates: readonly VerificationKey[];
  /** Stage `signature`, or `shape` for a token seen before. */
  fact: Fact | undefined;
  /** Stage `subject`; before it, and where the claims name the principal, the fact's. */
  principal: Principal | undefined;
}

/** One stage, or one rule: undefined lets the token go on. */
export type Stage = (c: Case) => Stop | undefined;

/** Stops with a rejection. */
export function reject(reason: ReasonName, claim = ""): Rejected {
  return { kind: "rejected", reason, claim, checks: [] };
}

/** Stops for want of something. */
export function lacks(lack: Lack): Stop {
  return { kind: "lacks", lack };
}
