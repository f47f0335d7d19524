import type { ReasonName } from "../contract/reasons.js";
import type { Failure, Principal, Rejected, VerificationRequest } from "../contract/verifier.js";
import type { DirectoryLack, KnownDirectory } from "../directory/directory.js";
import type { JsonObject } from "../jws/json.js";
import type { VerificationKey } from "../keys/key.js";
import type { Fact, FactCache } from "./facts.js";
import type { Caller, Realm, RuleContext } from "./realm.js";

/** Everything a decision depends on. Immutable while a decision is made. */
export interface View {
  readonly realms: ReadonlyMap<string, Realm>;
  readonly directory: KnownDirectory;
  /** Results of earlier signature checks; they speed a decision up and never change it. */
  readonly facts: FactCache;
}

/** Keys that a decision needs. */
export interface KeysNeed {
  readonly kind: "keys";
  readonly realm: Realm;
  /** The token's `kid`; undefined if it has none. */
  readonly kid: string | undefined;
  /** When the question came, in milliseconds since 1970; keys fetched after that answer it. */
  readonly since: number;
}

/** What must be loaded before a decision can be made. */
export type Need = DirectoryLack | KeysNeed;

/** A result that ends the steps early: a rejection, a failure, or a need. */
export type EarlyEnd = Rejected | Failure | { readonly kind: "needs"; readonly need: Need };

/** The state of one decision. Each stage reads what earlier stages found, and adds what it finds. */
export interface DecisionState extends RuleContext {
  readonly request: VerificationRequest;
  readonly realm: Realm;
  readonly view: View;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** When the question came; before `now` if something had to be loaded for it. */
  readonly since: number;
  /** Set by the stage `caller`. */
  caller: Caller;
  /** The token; set by the stage `shape`, like all up to `unproven`. */
  text: string;
  /** Set earlier if routing computed it. */
  digest: string;
  header: JsonObject;
  claims: JsonObject;
  payload: string;
  /** The parts whose signature is still to be checked; undefined for a token with a cached fact. */
  unproven: { readonly signingInput: string; readonly signature: Buffer } | undefined;
  /** The keys that fit the token; set by the stage `key`. */
  candidates: readonly VerificationKey[];
  /** Set by the stage `signature`, or by `shape` for a token with a cached fact. */
  fact: Fact | undefined;
  /** Set by the stage `subject`; undefined if the principal is the fact's. */
  principal: Principal | undefined;
  /** Set by the stage `proof`; undefined without a DPoP proof. */
  accepted: AcceptedProof | undefined;
}

/** A DPoP proof that passed every check. It must be remembered before its token is answered as verified. */
export interface AcceptedProof {
  /** What the realm's memory knows it by. */
  readonly digest: Buffer;
  /** The last time at which it could be accepted, in seconds since 1970. */
  readonly until: number;
}

/** A stage of a decision, or a rule. Returns undefined if the token may go on. */
export type Stage = (state: DecisionState) => EarlyEnd | undefined;

/** Ends a decision with a rejection. @param signatureVerified whether the reason was found after the signature had verified */
export function reject(reason: ReasonName, claim = "", signatureVerified = false): Rejected {
  return { kind: "rejected", reason, claim, signatureVerified, checks: [] };
}

/** Interrupts a decision until something is loaded. */
export function needs(need: Need): EarlyEnd {
  return { kind: "needs", need };
}
