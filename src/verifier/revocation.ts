import { hash } from "node:crypto";
import {
  revocationWords,
  SELECTOR_KINDS,
  SELECTOR_SCOPES,
  type Selector,
  type SelectorKind,
} from "../directory/revocation.js";
import { EVERY_REALM, selectorBit } from "../directory/revocation-set.js";
import { member } from "../jws/json.js";
import type { VerificationKey } from "../keys/key.js";
import { identifierClaim, stringClaim } from "./claims.js";
import { type DecisionState, type EarlyEnd, reject } from "./decision-state.js";
import { SELECTOR_SIZE } from "./fact-size.js";
import type { TokenSelector } from "./facts.js";
import { isTime } from "./rules.js";

// Which revocations concern a token.

/** Selectors by the key, in any scope. */
const OF_KEYS = SELECTOR_SCOPES.reduce((bits, _, scope) => bits | selectorBit("key", scope), 0);

/**
 * Rejects a revoked token. Costs a look-up and a comparison if no token of its realm is revoked, and a look-up more for each
 * kind and scope by which some are.
 */
export function revocation(state: DecisionState): EarlyEnd | undefined {
  const { revocations } = state.view.directory;
  const selectors = revocations.selectorsOf(state.realm.name);
  const { fact } = state;
  if (selectors === 0 || fact === undefined) return undefined;
  const kids = (selectors & OF_KEYS) === 0 ? undefined : kidsOf(state, fact.key);
  if (fact.revocable !== selectors || fact.kids !== kids) {
    const before = fact.selectors;
    fact.revocable = selectors;
    fact.kids = kids;
    fact.selectors = selectorsOf(state, fact.key, selectors, kids);
    state.view.facts.grow(state.realm, fact, sizeOfSelectors(fact.selectors) - sizeOfSelectors(before));
  }
  for (let one = fact.selectors; one !== undefined; one = one.next) {
    const until = revocations.revokedUntil(one.kind, one);
    if (until !== -1 && isIssuedUntil(until, state)) return reject("TOKEN_REVOKED", one.claim, true);
  }
  return undefined;
}

/** Whether a token was issued until a time, or does not say when. A fraction does not make it later than its second. */
function isIssuedUntil(until: number, { claims }: DecisionState): boolean {
  const iat = member(claims, "iat");
  return !isTime(iat) || Math.floor(iat) <= until;
}

/** The memory of a list, as the cache counts it. */
function sizeOfSelectors(first: TokenSelector | undefined): number {
  let count = 0;
  for (let one = first; one !== undefined; one = one.next) count++;
  return count * SELECTOR_SIZE;
}

/** The `kid`s of the key that signed, whatever the header says, in all listings of its realm. */
const kidsOf = ({ realm, now }: DecisionState, key: VerificationKey): readonly string[] =>
  realm.keys.current(now)?.kidsOf(key) ?? NO_KIDS;

const NO_KIDS: readonly string[] = [];

/** What a token shows for a kind of selector: a value and the claim that has it. */
type Shown = readonly (readonly [value: string | undefined, claim: string])[];

/** What selects a token, by kind. A value that is absent, or empty, names nothing. */
const SHOWN: Readonly<Record<Exclude<SelectorKind, "key">, (state: DecisionState) => Shown>> = {
  jti: (state) => [[identifier(state, "jti"), "jti"]],
  digest: ({ text }) => [[tokenContentDigest(text), ""]],
  subject: (state) => {
    const { claim } = state.realm.policy.subject;
    return claim === undefined ? [] : [[identifier(state, claim), claim]];
  },
  session: (state) => [[identifier(state, "sid"), "sid"]],
  client: (state) => {
    const clientId = identifier(state, "client_id");
    return [clientId === undefined ? [identifier(state, "azp"), "azp"] : [clientId, "client_id"]];
  },
  instance: (state) => [[signingInstance(state), ""]],
  all: () => [["", "iat"]],
};

const identifier = ({ claims, payload }: DecisionState, name: string): string | undefined =>
  identifierClaim(claims, name, payload);

/** The instance whose secret key signed; undefined in a realm whose keys are not the instances'. */
const signingInstance = ({ realm, caller }: DecisionState): string | undefined =>
  realm.policy.keysOf === "instance" && caller.kind === "instance" ? caller.instance.id : undefined;

/** What a key is named by: its thumbprint if it is public, and its `kid`s. */
const namesOfKey = ({ key, label }: VerificationKey, kids: readonly string[]): Shown =>
  [...(key.type === "public" ? [label] : []), ...kids].map((name) => [name, "kid"]);

/** How the selectors of a scope name the token's signer; undefined if none of the scope can select it. */
const SIGNERS: readonly ((state: DecisionState) => Pick<Selector, "instance" | "issuer"> | undefined)[] = [
  () => ({}),
  (state) => {
    const instance = signingInstance(state);
    return instance === undefined ? undefined : { instance };
  },
  // Looked up wherever a realm may have had several issuers, so that a revocation holds when the list of issuers changes.
  ({ realm, claims }) =>
    realm.policy.issuers === undefined ? undefined : { issuer: stringClaim(claims, "iss") ?? "" },
];

function selectorsOf(
  state: DecisionState,
  signer: VerificationKey,
  selectors: number,
  kids: readonly string[] = NO_KIDS,
): TokenSelector | undefined {
  const { realm, text } = state;
  const all: (readonly [selector: Selector, claim: string])[] = [];
  for (const kind of SELECTOR_KINDS) {
    const scopes = SIGNERS.filter((_, scope) => (selectors & selectorBit(kind, scope)) !== 0);
    if (scopes.length === 0) continue;
    const shown = kind === "key" ? namesOfKey(signer, kids) : SHOWN[kind](state);
    for (const signerOf of scopes) {
      const scope = signerOf(state);
      if (scope === undefined) continue;
      for (const [value, claim] of shown) {
        if (value === undefined || (value === "" && kind !== "all")) continue;
        all.push([{ realm: realm.name, kind, value, ...scope }, claim]);
      }
    }
  }
  if ((selectors & EVERY_REALM) !== 0) {
    all.push([{ realm: "", kind: "digest", value: tokenContentDigest(text) }, ""]);
  }
  return all.reduceRight<TokenSelector | undefined>(
    (next, [selector, claim]) => tokenSelector(selector, claim, next),
    undefined,
  );
}

function tokenSelector(selector: Selector, claim: string, next: TokenSelector | undefined): TokenSelector {
  // All in one object: a call looks at few places in memory.
  const { first, second, third } = revocationWords(selector);
  return { first, second, third, kind: SELECTOR_KINDS.indexOf(selector.kind), claim, next };
}

/**
 * Names a token by its content: the SHA-256, in base64url, of its first two segments with the dot between them. The
 * signature is left out, for there are many that verify.
 */
export function tokenContentDigest(token: string): string {
  return hash("sha256", token.slice(0, token.lastIndexOf(".")), "base64url");
}
