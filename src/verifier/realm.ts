import type { ReasonName } from "../contract/reasons.js";
import type { Principal } from "../contract/verifier.js";
import type { DirectoryLack, KnownDirectory } from "../directory/directory.js";
import type { Client, Instance } from "../directory/model.js";
import type { Algorithm } from "../jws/algorithms.js";
import type { JsonObject } from "../jws/json.js";
import type { KeySource } from "../keys/source.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { Skew } from "./skew.js";

/**
 * Who may ask: anyone, without a credential; instances, by a secret key; clients, by their credentials; workloads, by a
 * certificate with one of these names.
 */
export type Callers = "anyone" | "instances" | "clients" | { readonly san: ReadonlySet<string> };

/** Callers as people read of them. */
export function formatCallers(callers: Callers | "nobody"): string {
  return typeof callers === "string" ? callers : `san: ${[...callers.san].join(", ")}`;
}

/** Whether callers of this kind are found in the directory, which needs a store. */
export const areInDirectory = (callers: Callers): boolean => callers === "instances" || callers === "clients";

/** Whether a workload has one of the names. */
export function isListed({ san }: { readonly san: ReadonlySet<string> }, workload: WorkloadNames): boolean {
  return workload.some((name) => san.has(name));
}

/** A caller whose credential or certificate was checked. */
export type Caller =
  | { readonly kind: "workload" }
  | { readonly kind: "anyone" }
  | { readonly kind: "instance"; readonly instance: Instance }
  | { readonly kind: "client"; readonly client: Client };

/** What a rule may look at besides the claims. */
export interface RuleContext {
  /** The time of the call, in seconds since 1970, fractions included. */
  readonly seconds: number;
  readonly header: JsonObject;
  /** The claims' JSON text as it was signed: numbers have more digits there than JavaScript's have. */
  readonly payload: string;
  readonly caller: Caller;
}

/** One condition that a token must meet. */
export interface Rule {
  /** Its name in explanations. */
  readonly check: string;
  /** The reason that it rejects with. */
  readonly reason: ReasonName;
  /** The claim or header parameter concerned; empty where there is none. */
  readonly claim: string;
  /** Stands ahead of the signature. Such a rule looks at what nobody signed yet: it can only reject. */
  readonly ahead?: true;
  /** True where the token meets it. Pure. A rule about a claim's value passes where the claim is absent or mistyped, unless that is what it is about: rules of their own say so, in the order that the realm's policy gives them. */
  readonly test: (claims: JsonObject, context: RuleContext) => boolean;
  /** What the test saw, as a sentence for a developer; asked for only after the signature verified, or where a rule ahead of it failed: that one's must tell no claim's value. */
  readonly detail?: (claims: JsonObject, context: RuleContext) => string;
  /** What a rejection's message says besides its reason; asked for only after the signature verified. Empty for nothing. */
  readonly hint?: (claims: JsonObject, context: RuleContext) => string;
}

/** How a realm finds whom a token speaks for. */
export type Subject =
  | {
      readonly from: "claims";
      /** Pure: looked at once for each token. Undefined where the claims do not tell. */
      readonly read: (claims: JsonObject, context: Pick<RuleContext, "caller" | "payload">) => Principal | undefined;
    }
  | {
      readonly from: "directory";
      /** The claim that must name one; a rejection is `USER_UNKNOWN` about it. */
      readonly claim: string;
      /** Null where the directory has nobody of that name; a lack where it is not known yet. */
      readonly find: (
        claims: JsonObject,
        caller: Caller,
        directory: KnownDirectory,
      ) => Principal | DirectoryLack | null;
    };

/** What makes a token good: a vendor's preset, or what the configuration of a realm says. */
export interface Policy {
  /** The algorithms that its keys may have; at least one. */
  readonly algorithms: readonly Algorithm[];
  /** The longest token it reads, in characters. */
  readonly maxTokenLength: number;
  /** Header parameters that are read as if they were absent. */
  readonly ignoreHeaders: readonly string[];
  readonly callers: Callers;
  /** Who may ask for explanations. */
  readonly explain: Callers | "nobody";
  /** Whose keys verify: those of the realm, or those of the instance that asks. */
  readonly keysOf: "realm" | "instance";
  /** In the order in which they are checked; those that stand ahead of the signature first. */
  readonly rules: readonly Rule[];
  readonly subject: Subject;
  /** Seconds for which a token lives on past its `exp`; 0 for none. */
  readonly clockTolerance: number;
}

/** A named body of tokens that one policy verifies. Immutable; its identity as an object bounds what the fact cache shares. */
export interface Realm {
  readonly name: string;
  readonly policy: Policy;
  /** Where its keys come from; an empty static source where the keys are the instances'. */
  readonly keys: KeySource;
  readonly algorithms: ReadonlySet<string>;
  readonly ignoreHeaders: ReadonlySet<string>;
  /** What its tokens tell of the issuer's clock. */
  readonly skew: Skew;
}

/** Makes a realm of a policy and its keys. */
export function createRealm(name: string, policy: Policy, keys: KeySource): Realm {
  return {
    name,
    policy,
    keys,
    algorithms: new Set(policy.algorithms),
    ignoreHeaders: new Set(policy.ignoreHeaders),
    skew: new Skew(),
  };
}
