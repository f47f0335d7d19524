import {
  endOfRevocation,
  type Revocation,
  type Selector,
  type SelectorKind,
  TIMELESS_KINDS,
} from "../directory/revocation.js";
import { decodeBase64url } from "../jws/base64url.js";
import { isObject, type JsonObject, member, readJson } from "../jws/json.js";
import { printableList, quote } from "../util/printable.js";
import { formatDuration } from "../util/units.js";
import type { Policy, Realm } from "./realm.js";
import { tokenContentDigest } from "./revocation.js";
import { isRoute, targetsOf } from "./route.js";
import { isTime } from "./rules.js";

// Makes revocations of what an operator asks for: the command line and the RPCs share these rules.

/** What an operator selects tokens of a realm by. */
export interface SelectorRequest {
  /** The realm's name; empty with `token` or `digest` for every realm. */
  readonly realm: string;
  /** `token` selects by the digest of the whole token in `value`. */
  readonly kind: SelectorKind | "token";
  /** See `SELECTOR_KINDS`; empty for `all`. */
  readonly value: string;
  /** Only tokens that this instance's secret keys signed. */
  readonly instance?: string | undefined;
  /** Only tokens with this `iss`; empty for those without one. */
  readonly issuer?: string | undefined;
}

/** What an operator wants revoked. Times are in seconds since 1970. */
export interface RevocationRequest extends SelectorRequest {
  /** The `exp` of the token that a `jti` or `digest` selects; default unknown. The operator answers for it. */
  readonly exp?: number | undefined;
  /** Tokens issued until then are refused; default: until now. Not for kinds that have no time. */
  readonly issuedBefore?: number | undefined;
  /** Refuses tokens whenever they are issued, until the revocation is taken back. */
  readonly ban?: boolean | undefined;
}

/** A realm as revoking sees it: one that only hands tokens to others, or one with keys of its own. */
export type RevocableRealm =
  | { readonly targets: readonly string[] }
  | {
      readonly policy: Pick<Policy, "keysOf" | "issuers" | "subject" | "clockTolerance" | "maxLifetime">;
      /** Seconds by which the issuer's clock is known to be ahead of ours; 0 if that is not known. */
      readonly ahead: number;
    };

/** Realms as revoking sees them, by name. */
export type RevocableRealms = ReadonlyMap<string, RevocableRealm>;

/** Running realms as revoking sees them. @param now milliseconds since 1970 */
export function revocableRealms(realms: Iterable<Realm>, now: number): RevocableRealms {
  return new Map(
    [...realms].map((realm) => [
      realm.name,
      isRoute(realm) ? { targets: targetsOf(realm) } : { policy: realm.policy, ahead: realm.skew.ahead(now) },
    ]),
  );
}

/** A request that cannot be carried out. The message says what is wrong and how to put it right. */
export class RevocationRequestError extends Error {
  override readonly name = "RevocationRequestError";

  /** @param member the member of the request that is wrong */
  constructor(
    readonly member: keyof RevocationRequest,
    message: string,
  ) {
    super(message);
  }
}

/** A revocation that is ready to be made. */
export interface MadeRevocation {
  readonly revocation: Revocation;
  /** Tokens issued from then on are accepted again, in seconds since 1970; null if none are. */
  readonly acceptedFrom: number | null;
}

/** Most seconds by which a time of issue may be ahead of the issuer's clock. */
const MOST_AHEAD = 60;

/** Kinds whose values are unique within an issuer only (RFC 7519, sections 4.1.2 and 4.1.7). */
const OF_ISSUER: ReadonlySet<SelectorRequest["kind"]> = new Set(["jti", "subject", "session"]);

/** Kinds that may be banned. */
const BANNED: ReadonlySet<SelectorRequest["kind"]> = new Set(["subject", "session", "client", "instance"]);

type RealmWithKeys = Exclude<RevocableRealm, { targets: readonly string[] }>;

/**
 * Makes the selector of a request.
 *
 * @throws RevocationRequestError
 */
export function makeSelector(request: SelectorRequest, realms: RevocableRealms): Selector {
  const { realm: name, kind, value } = request;
  const isDigest = kind === "token" || kind === "digest";
  if (name === "" && isDigest) return { realm: "", ...digestOf(request, undefined), ...signerOf(request, undefined) };
  const realm = realmOf(name, realms);
  if (kind === "subject" && realm.policy.subject.claim === undefined) {
    throw wrong("kind", `The tokens of the realm ${name} name no user. Revoke by client, session or jti.`);
  }
  if (kind === "key" && realm.policy.keysOf === "instance") {
    throw wrong("kind", `The keys of the realm ${name} are its instances' and have no ids. Revoke by instance.`);
  }
  if (kind === "all" ? value !== "" : value === "") {
    throw wrong("value", kind === "all" ? "All tokens have no value in common. Leave it out." : `Give the ${kind}.`);
  }
  const named = isDigest ? digestOf(request, realm) : { kind, value };
  return { realm: name, ...named, ...signerOf(request, realm) };
}

/**
 * Makes the revocation of a request.
 *
 * @param now milliseconds since 1970
 * @throws RevocationRequestError
 */
export function makeRevocation(request: RevocationRequest, realms: RevocableRealms, now: number): MadeRevocation {
  const selector = makeSelector(request, realms);
  const realm = selector.realm === "" ? undefined : realmOf(selector.realm, realms);
  if (realm !== undefined) needIssuer(request, realm);
  const seconds = now / 1000;
  const exp = expOf(request);
  const issuedBefore = timeOf(request, seconds, realm?.ahead ?? 0);
  const revocation: Revocation = { selector, issuedBefore, exp };
  const { clockTolerance, maxLifetime } = realm?.policy ?? { clockTolerance: 0 };
  if (realm !== undefined && endOfRevocation(revocation, realm.policy) <= seconds) {
    const tolerated =
      clockTolerance > 0 ? ` and the realm's clockTolerance of ${formatDuration(clockTolerance * 1000)} is over` : "";
    throw exp !== null
      ? wrong("exp", `The token expired at ${formatTime(exp)}${tolerated}: it is refused without a revocation.`)
      : wrong(
          "issuedBefore",
          `No token issued until ${formatTime(issuedBefore ?? 0)} is good any more: the realm ${selector.realm} admits at most ${formatDuration((maxLifetime ?? 0) * 1000)} from iat to exp. Give a later time, or leave it out for now.`,
        );
  }
  return { revocation, acceptedFrom: issuedBefore === null ? null : issuedBefore + 1 };
}

/** Seconds since 1970 as RFC 3339. */
export const formatTime = (seconds: number): string =>
  new Date(Math.min(seconds * 1000, LAST_TIME)).toISOString().replace(/\.000Z$/, "Z");

/** The last time that a Date can have. */
const LAST_TIME = 8.64e15;

const wrong = (name: keyof RevocationRequest, message: string): RevocationRequestError =>
  new RevocationRequestError(name, message);

function realmOf(name: string, realms: RevocableRealms): RealmWithKeys {
  const realm = realms.get(name);
  if (realm === undefined) {
    const names = [...realms].flatMap(([one, found]) => ("targets" in found ? [] : [one]));
    throw wrong("realm", `There is no realm ${quote(name)}. Give one of: ${names.join(", ")}.`);
  }
  if (!("targets" in realm)) return realm;
  throw wrong(
    "realm",
    `The realm ${name} only routes tokens to other realms; it has no tokens or keys of its own. Choose one of: ${realm.targets.join(", ")}.`,
  );
}

/** The digest that a request gives, or that of the token that it gives. */
function digestOf(
  { kind, value }: SelectorRequest,
  realm: RealmWithKeys | undefined,
): Pick<Selector, "kind" | "value"> {
  if (kind === "digest") {
    if (/^[\w-]{43}$/.test(value)) return { kind, value };
    throw wrong("value", "The digest is no SHA-256 in base64url. Give its 43 characters, or the token itself.");
  }
  const claims = claimsOf(value);
  if (realm?.policy.issuers && realm.policy.issuers.find(claims) === undefined) {
    throw wrong("realm", "The realm admits no tokens of this token's issuer. Give the realm that verifies it.");
  }
  return { kind: "digest", value: tokenContentDigest(value) };
}

/** The claims of a token, unverified. */
function claimsOf(token: string): JsonObject {
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]*$/.exec(token) ?? [];
  const bytes = payload === undefined ? undefined : decodeBase64url(payload);
  const claims = bytes === undefined ? undefined : readJson(bytes);
  // The digest leaves the signature out: of a text that is no token, it would be that of something else.
  if (isObject(claims)) return claims;
  throw wrong("value", "This is no token. Give three parts in base64url, separated by dots, as one line.");
}

/** The instance or issuer that limits a selector. */
function signerOf(
  { kind, instance, issuer }: SelectorRequest,
  realm: RealmWithKeys | undefined,
): Pick<Selector, "instance" | "issuer"> {
  if ((kind === "token" || kind === "digest") && (instance !== undefined || issuer !== undefined)) {
    throw wrong(
      instance === undefined ? "issuer" : "instance",
      "A token already names its issuer and its instance. Leave them out.",
    );
  }
  if (realm === undefined) return {};
  const { keysOf, issuers } = realm.policy;
  if (keysOf === "realm" && (instance !== undefined || kind === "instance")) {
    throw wrong("instance", "Instances do not sign the tokens of this realm. Leave the instance out.");
  }
  if (instance !== undefined && kind === "instance") {
    throw wrong("instance", "An instance is named twice. Name it once.");
  }
  if (instance !== undefined) return { instance };
  if (issuer === undefined) return {};
  if (issuers === undefined) {
    throw wrong("issuer", "The realm has a preset, and its tokens one issuer. Leave the issuer out.");
  }
  if (issuers !== null && !issuers.includes(issuer)) {
    throw wrong(
      "issuer",
      `The realm admits no tokens of this issuer. Give the token's iss; it admits ${printableList(issuers.texts)}.`,
    );
  }
  return issuers?.areSeveral === false ? {} : { issuer };
}

/** Refuses a name that two issuers of a realm may have given to different users, sessions or tokens. */
function needIssuer({ realm: name, kind, issuer }: SelectorRequest, { policy: { issuers } }: RealmWithKeys): void {
  if (issuer !== undefined || issuers === undefined || issuers?.areSeveral === false || !OF_ISSUER.has(kind)) return;
  const admitted = issuers === null ? "any issuer" : printableList(issuers.texts);
  throw wrong(
    "issuer",
    `The realm ${name} admits ${admitted}, and two issuers may use the same ${kind}. Give the issuer too: the iss of the token, or an empty text if it has none.`,
  );
}

/** The `exp` of the one token; null for selectors of many tokens, and if it is not known. */
function expOf({ kind, value, exp }: RevocationRequest): number | null {
  // A token with this digest has this payload.
  const own = kind === "token" ? member(claimsOf(value), "exp") : exp;
  if (exp !== undefined && kind !== "jti" && kind !== "digest") {
    throw wrong(
      "exp",
      kind === "token"
        ? "A token says itself when it expires. Leave the expiry out."
        : `An expiry goes with a jti only. Leave it out.`,
    );
  }
  if (own === undefined || !isTime(own)) return null;
  return Math.min(Math.max(0, Math.ceil(own)), Number.MAX_SAFE_INTEGER);
}

/** Until when tokens must have been issued to be refused; null if that does not matter. */
function timeOf({ kind, issuedBefore, ban = false }: RevocationRequest, now: number, ahead: number): number | null {
  if (kind === "token" || TIMELESS_KINDS.has(kind)) {
    if (issuedBefore === undefined && !ban) return null;
    throw wrong(
      ban ? "ban" : "issuedBefore",
      `A revocation by ${kind} refuses every such token, whenever it was issued. Leave ${ban ? "the ban" : "the time"} out.`,
    );
  }
  if (ban) {
    if (issuedBefore !== undefined) throw wrong("ban", "A ban has no time. Give either a ban or a time of issue.");
    if (BANNED.has(kind)) return null;
    throw wrong("ban", "A ban of all tokens would close the realm. Give a time of issue, or remove the realm.");
  }
  if (issuedBefore === undefined) return Math.floor(now + ahead);
  if (issuedBefore > now + ahead + MOST_AHEAD) {
    throw wrong(
      "issuedBefore",
      `The time of issue, ${formatTime(Math.floor(issuedBefore))}, is more than a minute ahead of now (${formatTime(Math.floor(now))}): good tokens of that time would be refused as well. Give an earlier one, or leave it out for now.`,
    );
  }
  return Math.max(0, Math.floor(issuedBefore));
}
