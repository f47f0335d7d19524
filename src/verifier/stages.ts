import { hash } from "node:crypto";
import { failure } from "../contract/verifier.js";
import { type Algorithm, verifySignature } from "../jws/algorithms.js";
import { readJwt } from "../jws/compact.js";
import { member } from "../jws/json.js";
import { tries } from "../keys/cost.js";
import type { VerificationKey } from "../keys/key.js";
import type { KeySet } from "../keys/key-set.js";
import { printableJson, printableList } from "../util/printable.js";
import { type Fact, factSize, tokenDigest } from "./facts.js";
import { type Caller, type Callers, isListed } from "./realm.js";
import { LAST_SECOND, secondsAhead } from "./rules.js";
import { namingText } from "./subject.js";
import { instant, tokenOf } from "./token.js";
import { type Case, lacks, reject, type Stop } from "./view.js";

/** Who asks: the credential must be of the kind that the realm takes, and belong to somebody who may ask what it asks. */
export function caller(c: Case): Stop | undefined {
  return identified(c) ?? explainable(c);
}

function identified(c: Case): Stop | undefined {
  const { credential, workload } = c.request;
  const { callers } = c.realm.policy;
  if (typeof callers === "object") {
    if (credential !== undefined) return failure("CREDENTIAL_REFUSED");
    if (workload === undefined) return failure("CALLER_MISSING");
    if (!isListed(callers, workload)) return failure("CALLER_DENIED");
    c.caller = WORKLOAD;
    return undefined;
  }
  if (callers === "anyone") return credential === undefined ? undefined : failure("CREDENTIAL_REFUSED");
  if (credential === undefined) return failure("CALLER_MISSING");
  if (credential.kind === "instance" && callers === "instances") {
    if (credential.secretKey.isEmpty) return failure("CALLER_MISSING");
    const instance = c.view.directory.instance(credential.secretKey);
    if (instance === undefined) return lacks({ kind: "instance", secretKey: credential.secretKey });
    if (instance === null) return failure("CALLER_UNKNOWN");
    c.caller = { kind: "instance", instance };
    return undefined;
  }
  if (credential.kind === "client" && callers === "clients") {
    if (credential.clientId === "" || credential.clientSecret.isEmpty) return failure("CALLER_MISSING");
    const { clientId, clientSecret } = credential;
    const client = c.view.directory.client(clientId, clientSecret);
    if (client === undefined) return lacks({ kind: "client", clientId, clientSecret });
    if (client === null) return failure("CALLER_UNKNOWN");
    c.caller = { kind: "client", client };
    return undefined;
  }
  return failure("CREDENTIAL_REFUSED");
}

const CALLER_KINDS = { anyone: "anyone", instances: "instance", clients: "client" } as const satisfies Record<
  Extract<Callers, string>,
  string
>;
const WORKLOAD: Caller = { kind: "workload" };

/** Whether this caller may have an explanation, where it asks for one. */
function explainable(c: Case): Stop | undefined {
  const { explain } = c.realm.policy;
  if (!c.request.explain || explain === "anyone") return undefined;
  return mayHaveExplained(explain, c) ? undefined : failure("EXPLAIN_DENIED");
}

function mayHaveExplained(explain: Callers | "nobody", { request: { workload }, caller }: Case): boolean {
  // A certificate comes with the connection, whatever else the realm asks of its callers.
  if (typeof explain === "object") return workload !== undefined && isListed(explain, workload);
  return explain !== "nobody" && CALLER_KINDS[explain] === caller.kind;
}

/** The token is read strictly, unless it is known already that these bytes verify under a key that is trusted now. */
export function shape(c: Case): Stop | undefined {
  const { token } = c.request;
  if (token.isEmpty) return failure("TOKEN_EMPTY");
  if (token.length > c.realm.policy.maxTokenLength) return reject("TOKEN_TOO_LARGE");
  c.text = token.reveal();
  if (c.digest === "") c.digest = tokenDigest(c.text);
  const fact = c.view.facts.get(c.realm, c.digest);
  if (fact !== undefined && isTrusted(c, fact.key)) {
    c.fact = fact;
    c.header = fact.header;
    c.claims = fact.claims;
    c.payload = fact.token.payload;
    return undefined;
  }
  const jwt = readJwt(c.text, c.realm);
  if (!jwt.ok) return reject(jwt.reason, jwt.claim);
  c.header = jwt.header;
  c.claims = jwt.claims;
  c.payload = jwt.payloadText;
  c.unproven = jwt;
  return undefined;
}

function isTrusted({ caller, realm, now }: Case, key: VerificationKey): boolean {
  if (realm.policy.keysOf === "realm") return realm.keys.current(now)?.trusts(key) ?? false;
  return caller.kind === "instance" && caller.instance.keys.includes(key);
}

/** Which keys fit: the header's `alg` must be theirs, and its `kid`, where there is one, must name them. It chooses nothing. */
export function key(c: Case): Stop | undefined {
  if (c.fact !== undefined) return undefined;
  const alg = member(c.header, "alg");
  if (typeof alg !== "string" || !c.realm.algorithms.has(alg)) return reject("ALGORITHM_MISMATCH", "alg");
  if (c.realm.policy.keysOf === "instance") {
    const keys = c.caller.kind === "instance" ? c.caller.instance.keys : [];
    c.candidates = keys.filter((one) => one.algorithm === alg);
    return c.candidates.length > 0 ? undefined : reject("ALGORITHM_MISMATCH", "alg");
  }
  const kid = member(c.header, "kid") as string | undefined; // the strict reader refuses any other type
  const keys = c.realm.keys.current(c.now);
  if (keys === undefined) return lacks({ kind: "keys", realm: c.realm, kid, since: c.since });
  c.candidates = keys.select(kid, alg as Algorithm);
  if (c.candidates.length > 0) return undefined;
  return unfetched(c) ?? unfitting(kid, keys);
}

/** The most `kid`s that an explanation names. */
const MOST_KIDS = 16;

/** What an explanation says of a token whose `kid` is unknown: that, and those that there are. Empty for any other. */
export function knownKids({ realm, header, now, candidates, fact }: Case): string {
  const kid = member(header, "kid");
  const keys = realm.policy.keysOf === "realm" ? realm.keys.current(now) : undefined;
  if (fact !== undefined || candidates.length > 0 || typeof kid !== "string") return "";
  if (keys === undefined || keys.hasKid(kid)) return "";
  const kids = [...new Set(keys.keys.flatMap((one) => one.kid ?? []))];
  const known = kids.length === 0 ? "no key has one" : `known: ${printableList(kids, MOST_KIDS)}`;
  return `'kid' is ${printableJson(kid)}; ${known}.`;
}

/** No key fits. Without a `kid` none was named that could be unknown: it is as if all had been tried. */
function unfitting(kid: string | undefined, keys: KeySet): Stop {
  if (kid === undefined) return reject("SIGNATURE_INVALID");
  return keys.hasKid(kid) ? reject("ALGORITHM_MISMATCH", "alg") : { ...reject("KEY_UNKNOWN", "kid"), kid };
}

/**
 * Stops for want of keys where the token's own may have been published since the realm's were fetched: nobody can say
 * then that it has none.
 */
function unfetched({ realm, header, since, now }: Case): Stop | undefined {
  if (realm.policy.keysOf === "instance") return undefined;
  const kid = member(header, "kid") as string | undefined;
  return realm.keys.answers(kid, since, now) ? undefined : lacks({ kind: "keys", realm, kid, since });
}

/** The signature must verify under one of the keys that fit; that it does is remembered. */
export function signature(c: Case): Stop | undefined {
  if (c.fact !== undefined || c.unproven === undefined) return undefined;
  const { signingInput, signature: bytes } = c.unproven;
  const tried = tries(c.candidates, signingInput.length);
  const signer = c.candidates.find(
    (one, index) => index < tried && verifySignature(one.algorithm, one.key, signingInput, bytes),
  );
  if (signer === undefined) {
    // One of the others may have signed it.
    return tried < c.candidates.length ? failure("TOO_MANY_KEYS") : (unfetched(c) ?? reject("SIGNATURE_INVALID"));
  }
  const { subject, clockTolerance } = c.realm.policy;
  const exp = member(c.claims, "exp");
  const fact: Fact = {
    key: signer,
    header: c.header,
    claims: c.claims,
    token: tokenOf(c.header, c.claims, c.payload),
    size: factSize(c.text.length, c.header, c.payload),
    principal: subject.from === "claims" ? subject.read(c.claims, c) : undefined,
    cacheableUntil: typeof exp === "number" ? instant(Math.min(exp + clockTolerance, LAST_SECOND)) : undefined,
    evidence: undefined,
  };
  c.realm.skew.note(secondsAhead(c.claims, c.seconds), c.now);
  c.view.facts.set(c.realm, c.digest, fact);
  c.fact = fact;
  return undefined;
}

/** The token must not have been revoked: by its `jti`, or by the digest of its header and payload (its signature may have other spellings). */
export function revocation(c: Case): Stop | undefined {
  const jti = namingText(c.claims, "jti", c.payload);
  const digest = (): string => revocationDigest(c.text);
  const revoked = c.view.directory.isRevoked(issuerOf(c), jti, digest);
  return revoked ? reject("TOKEN_REVOKED", jti === undefined ? "" : "jti") : undefined;
}

/**
 * Within what a `jti` is unique: the realm's name; where instances sign their own tokens, each draws its own, so the
 * instance's id stands behind it (no realm's name has a `/`).
 */
function issuerOf({ realm, caller }: Case): string {
  return caller.kind === "instance" && realm.policy.keysOf === "instance"
    ? `${realm.name}/${caller.instance.id}`
    : realm.name;
}

/** What a token is revoked by where its `jti` will not do: the SHA-256, in base64url, of its first two segments and the dot between them. */
export function revocationDigest(token: string): string {
  return hash("sha256", token.slice(0, token.lastIndexOf(".")), "base64url");
}

/** Whom the token speaks for must exist, where the realm's users are the directory's. */
export function subject(c: Case): Stop | undefined {
  const { subject } = c.realm.policy;
  if (subject.from === "claims") return undefined;
  const found = subject.find(c.claims, c.caller, c.view.directory);
  if (found === null) return reject("USER_UNKNOWN", subject.claim);
  if ("kind" in found) return lacks(found);
  c.principal = found;
  return undefined;
}
