import { failure } from "../contract/verifier.js";
import { verifySignature } from "../jws/algorithms.js";
import { readJwt } from "../jws/compact.js";
import { member } from "../jws/json.js";
import { isSameKey, type VerificationKey } from "../keys/key.js";
import { listIssuers } from "../keys/key-issuers.js";
import { mostTried } from "../keys/key-set.js";
import { printableJson, printableList } from "../util/printable.js";
import { isQuicklyRead } from "./claims.js";
import { type DecisionState, type EarlyEnd, needs, reject } from "./decision-state.js";
import type { FactContent } from "./fact-size.js";
import { Fact, tokenDigest } from "./facts.js";
import { isBound } from "./proofs/confirmation.js";
import { checkProofs } from "./proofs/proof-stage.js";
import { type Caller, type Callers, isListed } from "./realm.js";
import { secondsAhead } from "./rules.js";
import { SignedToken } from "./signed-token.js";
import { endTooManyKeys, endUnverified, isForToken } from "./unverified.js";

// The stages of a decision.

/** Checks the caller: the credential must be of the kind that the realm takes, known, and allowed to ask this. */
export function caller(state: DecisionState): EarlyEnd | undefined {
  return identified(state) ?? explainable(state);
}

function identified(state: DecisionState): EarlyEnd | undefined {
  const { credential, workload } = state.request;
  const { callers } = state.realm.policy;
  if (typeof callers === "object") {
    if (credential !== undefined) return failure("CREDENTIAL_REFUSED");
    if (workload === undefined) return failure("CALLER_MISSING");
    if (!isListed(callers, workload)) return failure("CALLER_DENIED");
    state.caller = WORKLOAD;
    return undefined;
  }
  if (callers === "anyone") return credential === undefined ? undefined : failure("CREDENTIAL_REFUSED");
  if (credential === undefined) return failure("CALLER_MISSING");
  if (credential.kind === "instance" && callers === "instances") {
    if (credential.secretKey.isEmpty) return failure("CALLER_MISSING");
    const instance = state.view.directory.instance(credential.secretKey);
    if (instance === undefined) return needs({ kind: "instance", secretKey: credential.secretKey });
    if (instance === null) return failure("CALLER_UNKNOWN");
    state.caller = { kind: "instance", instance };
    return undefined;
  }
  if (credential.kind === "client" && callers === "clients") {
    if (credential.clientId === "" || credential.clientSecret.isEmpty) return failure("CALLER_MISSING");
    const { clientId, clientSecret } = credential;
    const client = state.view.directory.client(clientId, clientSecret);
    if (client === undefined) return needs({ kind: "client", clientId, clientSecret });
    if (client === null) return failure("CALLER_UNKNOWN");
    state.caller = { kind: "client", client };
    return undefined;
  }
  return failure("CREDENTIAL_REFUSED");
}

const CALLER_KINDS = { anyone: "anyone", instances: "instance", clients: "client" } as const satisfies Record<
  Extract<Callers, string>,
  string
>;
const WORKLOAD: Caller = { kind: "workload" };

/** Checks that the caller may get an explanation if it asks for one. */
function explainable(state: DecisionState): EarlyEnd | undefined {
  const { explain } = state.realm.policy;
  if (!state.request.explain || explain === "anyone") return undefined;
  return mayHaveExplained(explain, state) ? undefined : failure("EXPLAIN_DENIED");
}

function mayHaveExplained(explain: Callers | "nobody", { request: { workload }, caller }: DecisionState): boolean {
  // A certificate belongs to the connection, so it may come with any kind of caller.
  if (typeof explain === "object") return workload !== undefined && isListed(explain, workload);
  return explain !== "nobody" && CALLER_KINDS[explain] === caller.kind;
}

/** Reads the token strictly, unless a fact says that these bytes verify under a key that is still trusted. */
export function shape(state: DecisionState): EarlyEnd | undefined {
  const { token } = state.request;
  if (token.isEmpty) return failure("TOKEN_EMPTY");
  if (token.length > state.realm.policy.maxTokenLength) return reject("TOKEN_TOO_LARGE");
  state.text = token.reveal();
  if (state.digest === "") state.digest = tokenDigest(state.text);
  const fact = state.view.facts.get(state.realm, state.digest);
  if (fact !== undefined && isTrusted(state, fact.key)) {
    const { header, claims, payload } = fact.token;
    state.fact = fact;
    state.header = header;
    state.claims = claims;
    state.payload = payload;
    return undefined;
  }
  const jwt = readJwt(state.text, state.realm);
  if (!jwt.ok) return { ...reject(jwt.reason, jwt.claim), ...(jwt.form !== undefined && { form: jwt.form }) };
  state.header = jwt.header;
  state.claims = jwt.claims;
  state.payload = jwt.payloadText;
  state.unproven = jwt;
  return undefined;
}

function isTrusted({ caller, realm, now }: DecisionState, key: VerificationKey): boolean {
  if (realm.policy.keysOf === "realm") return realm.keys.current(now)?.trusts(key) ?? false;
  return caller.kind === "instance" && caller.instance.keys.includes(key);
}

/** Finds the keys that fit: of the header's `alg`, and of its `kid` if it has one. The header chooses no algorithm: it must match. */
export function key(state: DecisionState): EarlyEnd | undefined {
  if (state.fact !== undefined) return undefined;
  // The header may have either name of an algorithm that has two.
  const algorithm = state.realm.algorithms.get(member(state.header, "alg") as string);
  if (algorithm === undefined) return reject("ALGORITHM_MISMATCH", "alg");
  if (state.realm.policy.keysOf === "instance") {
    const keys = state.caller.kind === "instance" ? state.caller.instance.keys : [];
    state.candidates = keys.filter((one) => one.algorithm === algorithm);
    return state.candidates.length > 0 ? undefined : reject("ALGORITHM_MISMATCH", "alg");
  }
  const keys = state.realm.keys.current(state.now);
  if (keys !== undefined) {
    const kid = member(state.header, "kid") as string | undefined; // the strict reader refuses any other type
    state.candidates = keys.select(kid, algorithm);
    if (state.candidates.length > 0) return undefined;
  }
  return endUnverified(state, algorithm);
}

/**
 * Checks the signature with the keys that fit, at most {@link mostTried}; caches the fact that it verifies, unless the key is
 * one for other issuers alone: the token's own issuer may list that key later.
 */
export function signature(state: DecisionState): EarlyEnd | undefined {
  if (state.fact !== undefined || state.unproven === undefined) return undefined;
  const { signingInput, signature: bytes } = state.unproven;
  const [first] = state.candidates;
  const most = first === undefined ? 0 : mostTried(first.algorithm);
  if (most < state.candidates.length) state.candidates = candidatesOfIssuer(state);
  const signer = state.candidates.find(
    (one, index) => index < most && verifySignature(one.algorithm, one.key, signingInput, bytes),
  );
  if (signer === undefined) {
    // A key that was not tried may have signed it.
    return most < state.candidates.length ? endTooManyKeys(state) : endUnverified(state, first?.algorithm);
  }
  const listed = listedForIssuer(state, signer);
  const content = factOf(state, listed);
  state.realm.skew.note(secondsAhead(state.claims, state.seconds), state.now);
  state.fact = isForToken(listed, state)
    ? state.view.facts.set(state.realm, state.digest, content)
    : new Fact(content, 0);
  return undefined;
}

function factOf(state: DecisionState, key: VerificationKey): FactContent {
  const { text, header, claims, payload, realm, view } = state;
  const { subject } = realm.policy;
  const read = subject.from === "claims" ? subject.read(claims, state) : undefined;
  const shared = view.facts.sharedHeader(realm, text.slice(0, text.indexOf(".")), header);
  return {
    key,
    token: new SignedToken(shared ?? header, claims, payload),
    principal: read !== undefined && isQuicklyRead(read, claims) ? undefined : read,
    hasOwnHeader: shared === undefined,
  };
}

/**
 * The listing of a signer that counts for a token: one key may be listed for several issuers, each time as an object of
 * its own.
 */
function listedForIssuer(state: DecisionState, signer: VerificationKey): VerificationKey {
  if (isForToken(signer, state)) return signer;
  const isListing = (one: VerificationKey): boolean =>
    one.label === signer.label && isSameKey(one.key, signer.key) && isForToken(one, state);
  return state.candidates.find(isListing) ?? signer;
}

/**
 * The candidates for a token that fits more keys than are tried: those for its issuer alone, so that one issuer of a realm
 * cannot crowd out the keys of another; all of them if none is for its issuer.
 */
function candidatesOfIssuer(state: DecisionState): readonly VerificationKey[] {
  const own = state.candidates.filter((one) => isForToken(one, state));
  return own.length > 0 ? own : state.candidates;
}

/** The rejection by the stage {@link keyIssuer}. */
const OF_OTHER_ISSUERS: EarlyEnd = {
  ...reject("ISSUER_MISMATCH", "iss", true),
  hint: "The key that signed the token is for other issuers.",
};

/** Checks that the key that signed the token is one for the token's issuer (RFC 8725, section 3.8). */
export function keyIssuer(state: DecisionState): EarlyEnd | undefined {
  const key = state.fact?.key;
  return key?.issuers === undefined || isForToken(key, state) ? undefined : OF_OTHER_ISSUERS;
}

/** What an explanation adds to this rejection: the token's issuer, and those of the key. */
export function detailKeyIssuer({ fact, claims }: DecisionState): string {
  const named = printableList(fact?.key.issuers === undefined ? [] : listIssuers(fact.key.issuers));
  return `'iss' is ${printableJson(member(claims, "iss"))}; the key is for: ${named}.`;
}

/** Finds the principal in the directory, if the realm's users are kept there; rejects the token if there is none. */
export function subject(state: DecisionState): EarlyEnd | undefined {
  const { subject } = state.realm.policy;
  if (subject.from === "claims") return undefined;
  const found = subject.find(state.claims, state.caller, state.view.directory);
  if (found === null) return reject("USER_UNKNOWN", subject.claim, true);
  if ("kind" in found) return needs(found);
  state.principal = found;
  return undefined;
}

/** Checks the proofs of a bound token, or of a request that has one. For any other token there is nothing to do. */
export function proof(state: DecisionState): EarlyEnd | undefined {
  if (!isBound(state.claims) && state.request.proof === undefined && state.realm.bound !== "require") return undefined;
  return checkProofs(state);
}
