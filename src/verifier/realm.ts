import { hash } from "node:crypto";
import type { ReasonName } from "../contract/reasons.js";
import type { Principal } from "../contract/verifier.js";
import type { DirectoryLack, KnownDirectory } from "../directory/directory.js";
import type { Client, Instance } from "../directory/model.js";
import { type Algorithm, namesOf } from "../jws/algorithms.js";
import { mostItems } from "../jws/compact.js";
import type { JsonObject } from "../jws/json.js";
import type { Issuers } from "../keys/issuers.js";
import { KeyMarks } from "../keys/key.js";
import type { KeySource } from "../keys/key-set.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { Nonces } from "./proofs/nonces.js";
import { PROOF_ALGORITHMS, ProofKeys } from "./proofs/proof-key.js";
import { type ProofMemory, ReplayMemory } from "./proofs/replay-memory.js";

/**
 * Who may ask: anyone, without a credential; instances, with a secret key; clients, with an id and a secret; workloads, with a
 * certificate that has one of these names.
 */
export type Callers = "anyone" | "instances" | "clients" | { readonly san: ReadonlySet<string> };

/** Callers as text, for messages. */
export function formatCallers(callers: Callers | "nobody"): string {
  return typeof callers === "string" ? callers : `san: ${[...callers.san].join(", ")}`;
}

/** Whether callers of this kind are looked up in the directory, which needs a store. */
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

/** What a rule may use of a token besides its claims. */
export interface TokenContext {
  readonly header: JsonObject;
  /** The claims' JSON text as signed; its numbers may have more digits than a JavaScript number. */
  readonly payload: string;
}

/** What a rule may use besides the claims. */
export interface RuleContext extends TokenContext {
  /** The time of the call, in seconds since 1970, fractions included. */
  readonly seconds: number;
  readonly caller: Caller;
}

/** What every rule has; `Context` is what it depends on besides the claims. */
interface RuleOn<Context> {
  /** Name in explanations. */
  readonly check: string;
  /** The reason of its rejections. */
  readonly reason: ReasonName;
  /** The claim or header parameter concerned; empty if there is none. */
  readonly claim: string;
  /** Runs before the signature is checked. Its input may be forged, so it can only reject. */
  readonly beforeSignature?: true;
  /** Also rejects a token whose key is not at hand, by its unsigned claims: no signature could save a token that fails it. */
  readonly certain?: true;
  /** Runs last, after revocation and subject: its rejection tells that everything else holds. */
  readonly afterSubject?: true;
  /**
   * Whether the token meets the condition. Pure. A rule about a claim's value passes if the claim is absent or mistyped,
   * because separate rules check that.
   */
  readonly test: (claims: JsonObject, context: Context) => boolean;
  /**
   * What the test found, as a sentence for developers. Used after the signature verified, or if a rule that runs before it
   * failed; such a rule must not quote claims.
   */
  readonly detail?: (claims: JsonObject, context: RuleContext) => string;
}

/** A rule that depends on the token alone. Its result cannot change, so it runs once for a cached token. */
export interface TokenRule extends RuleOn<TokenContext> {
  readonly dependsOn: "token";
  readonly hint?: undefined;
}

/** A rule that depends on the call too, on its time or its caller. It runs on every call. */
export interface CallRule extends RuleOn<RuleContext> {
  readonly dependsOn?: "call";
  /** A sentence added to a rejection's message, only after the signature verified; empty for none. */
  readonly hint?: (claims: JsonObject, context: RuleContext) => string;
}

/** One condition that a token must meet. */
export type Rule = TokenRule | CallRule;

/** How a realm finds the principal of a token. */
export type PrincipalSource =
  | {
      readonly from: "claims";
      /** The claim whose text is the user's id, by name or JSON Pointer; undefined if tokens name no user. */
      readonly claim: string | undefined;
      /** Pure; called for each verdict, unless it takes long. Undefined if the claims name no principal. */
      readonly read: (claims: JsonObject, context: Pick<RuleContext, "caller" | "payload">) => Principal | undefined;
    }
  | {
      readonly from: "directory";
      /** The claim whose text is the user's id; the rejection is `USER_UNKNOWN` about this claim. */
      readonly claim: string;
      /** Null if the directory has no such user; what to load if that is not known yet. */
      readonly find: (
        claims: JsonObject,
        caller: Caller,
        directory: KnownDirectory,
      ) => Principal | DirectoryLack | null;
    };

/** What a token must meet, from a vendor's preset or the configuration of a realm. */
export interface Policy {
  /** Algorithms of the realm's keys; at least one. */
  readonly algorithms: readonly Algorithm[];
  /** Longest token accepted, in characters. */
  readonly maxTokenLength: number;
  /** Header parameters that are treated as absent. */
  readonly ignoreHeaders: readonly string[];
  /** Whether registered claims and `kid` that are null count as absent; default false. */
  readonly nullClaims?: boolean;
  readonly callers: Callers;
  /** Who may get explanations. */
  readonly explain: Callers | "nobody";
  /** Whether the keys are the realm's or the calling instance's. */
  readonly keysOf: "realm" | "instance";
  /** In the order in which they run; those before the signature first. */
  readonly rules: readonly Rule[];
  readonly subject: PrincipalSource;
  /**
   * The issuers that it admits; null if it checks none. Undefined with a vendor's preset, whose tokens have one issuer or
   * one for each instance.
   */
  readonly issuers?: Issuers | null;
  /** Seconds for which a token is accepted after its `exp`. */
  readonly clockTolerance: number;
  /** Most seconds from a token's `iat` to its `exp`, which a rule checks; default unlimited. */
  readonly maxLifetime?: number | undefined;
  /** Milliseconds without a reading of the store's feed after which it gives no verdicts; default: the store's limit. */
  readonly staleFor?: number | undefined;
  /** What becomes of bound tokens (default: ignore). */
  readonly bound?: Bound;
  /** Algorithms of DPoP proofs (default: {@link PROOF_ALGORITHMS}). */
  readonly proofAlgorithms?: readonly Algorithm[];
}

/**
 * What a realm does with tokens that are bound to a key or a certificate (`cnf`): refuse them without a proof, require a
 * bound token and a proof on every call, or take them as bearer tokens. A proof that is given is checked in any case.
 */
export type Bound = "refuse" | "require" | "ignore";

/** What a realm checks proofs with besides its policy. It outlives a reload that changes the realm. */
export interface ProofState {
  readonly memory: ProofMemory;
  readonly nonces: Nonces;
  readonly keys: ProofKeys;
}

/** A named set of tokens that one policy verifies. Immutable; facts are cached for each realm object separately. */
export interface Realm {
  readonly name: string;
  readonly policy: Policy;
  /** Where its keys come from; an empty static source if the keys are the instances'. */
  readonly keys: KeySource;
  /** The policy's algorithms by all of their names in a header. */
  readonly algorithms: ReadonlyMap<string, Algorithm>;
  readonly ignoreHeaders: ReadonlySet<string>;
  /** Most members and elements of a token's header, and of its payload. */
  readonly maxItems: number;
  readonly nullClaims: boolean;
  /** How far the issuer's clock is ahead, as its tokens show. */
  readonly skew: ClockSkew;
  readonly bound: Bound;
  readonly proofAlgorithms: ReadonlySet<Algorithm>;
  readonly proofs: ProofState;
  /** What verdicts and watches name it and its keys by. */
  readonly marks: RealmMarks;
}

/** The state of a realm that shares neither memory nor nonces with another. */
const ownProofs = (): ProofState => ({ memory: new ReplayMemory(), nonces: new Nonces(), keys: new ProofKeys() });

/**
 * Makes a realm from a policy and its keys.
 *
 * @param proofs those of the realm that it replaces, if it replaces one
 * @param marks default: those of its name alone, and of a random root
 */
export function createRealm(
  name: string,
  policy: Policy,
  keys: KeySource,
  proofs: ProofState = ownProofs(),
  marks: RealmMarks = { version: realmVersion({ name }), keys: new KeyMarks() },
): Realm {
  return {
    name,
    policy,
    keys,
    algorithms: new Map(policy.algorithms.flatMap((one) => namesOf(one).map((name) => [name, one] as const))),
    ignoreHeaders: new Set(policy.ignoreHeaders),
    maxItems: mostItems(policy.maxTokenLength),
    nullClaims: policy.nullClaims ?? false,
    skew: new ClockSkew(),
    bound: policy.bound ?? "ignore",
    proofAlgorithms: new Set<Algorithm>(policy.proofAlgorithms ?? PROOF_ALGORITHMS),
    proofs,
    marks,
  };
}

/** Length of an observation window in milliseconds. */
const SKEW_WINDOW = 10 * 60_000;

/**
 * How far an issuer's clock is ahead of ours: the largest lead of the `iat` or `nbf` of a verified token over our time. A
 * clock that is behind is not measured, since its tokens look like old ones.
 */
export class ClockSkew {
  #ahead = 0;
  #seenAt = 0;
  #before = 0;

  /** Notes a token's time. @param ahead seconds by which it is ahead of now, at least 0 @param now milliseconds since 1970 */
  note(ahead: number, now: number): void {
    this.#advance(now);
    if (ahead > this.#ahead) this.#ahead = ahead;
  }

  /** The largest lead of the last 10 to 20 minutes, in seconds; 0 if there was none. @param now milliseconds since 1970 */
  ahead(now: number): number {
    this.#advance(now);
    return Math.max(this.#ahead, this.#before);
  }

  #advance(now: number): void {
    const age = now - this.#seenAt;
    if (age >= 0 && age < SKEW_WINDOW) return;
    this.#before = age >= 0 && age < 2 * SKEW_WINDOW ? this.#ahead : 0;
    this.#ahead = 0;
    this.#seenAt = now;
  }
}

/** Bytes of a realm's version. */
const VERSION_BYTES = 8;

/** What verdicts and watches name a realm's settings and keys by, so that a client that caches verdicts sees when they change. */
export interface RealmMarks {
  /** Names the settings: the {@link realmVersion} of them. */
  readonly version: string;
  /** Names the keys. */
  readonly keys: KeyMarks;
}

/**
 * Names the settings of a realm: 8 bytes in base64url, the same in every process for equal settings.
 *
 * @param settings plain values, sets and maps, without secrets
 */
export const realmVersion = (settings: object): string =>
  hash("sha256", JSON.stringify(settings, plainly), "buffer").subarray(0, VERSION_BYTES).toString("base64url");

/** Makes sets and maps plain for JSON. */
const plainly = (_name: string, value: unknown): unknown =>
  value instanceof Set || value instanceof Map ? [...value] : value;
