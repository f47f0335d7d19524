import type { Instant, Principal } from "../contract/verifier.js";
import type { User } from "../directory/model.js";
import { type JsonObject, member, valueAt } from "../jws/json.js";
import { memberPath } from "../jws/json-pointer.js";
import { textAt } from "../jws/raw-text.js";
import type { PrincipalSource } from "./realm.js";
import { isString, isTime } from "./rules.js";

// Reads claims, and finds the principals that they name.

/** A claim that is a string; undefined for anything else. */
export function stringClaim(claims: JsonObject, name: string): string | undefined {
  const value = member(claims, name);
  return isString(value) ? value : undefined;
}

/**
 * A claim that identifies something: a string, or a number exactly as written, not rounded; undefined for anything else.
 *
 * @param name a name, or a JSON Pointer
 */
export function identifierClaim(claims: JsonObject, name: string, payload: string): string | undefined {
  const path = memberPath(name);
  const value = valueAt(claims, path);
  if (typeof value === "number") return textAt(payload, path);
  return isString(value) ? value : undefined;
}

/**
 * A time claim, rounded down to the microsecond: a double is no more precise for times of this century, and an expiry
 * must not seem later than it is. Undefined for a value that is not a time.
 */
export function instant(value: unknown): Instant | undefined {
  if (!isTime(value)) return undefined;
  const time = value + 0; // -0 becomes 0
  const seconds = Math.floor(time);
  return { seconds, nanos: Math.floor((time - seconds) * 1e6) * 1000 };
}

/**
 * Whether a principal takes next to nothing to read again: its id is the text of a claim. The digits of a number have to be
 * looked for in the payload's text.
 */
export function isQuicklyRead({ user }: Principal, claims: JsonObject): boolean {
  if (user === undefined) return false;
  for (const name in claims) if (claims[name] === user.id) return true;
  return false;
}

/**
 * Takes the user from the `sub` claim, which is unique within `iss` (RFC 7519, section 4.1.2). A number, which only a
 * lenient realm accepts, names the user by its digits as written; any other type gives no principal, and neither does an
 * empty text, which would make all who have it one user.
 */
export const subjectOfClaims: PrincipalSource = {
  from: "claims",
  claim: "sub",
  read: (claims, { payload }) => {
    const sub = identifierClaim(claims, "sub", payload);
    return sub === undefined || sub === "" ? undefined : principalOf({ id: sub, issuer: stringClaim(claims, "iss") });
  },
};

/**
 * Takes the user from `sub` and the client from `client_id` (RFC 9068, section 2.2). Where the two are equal the client acts
 * for itself, and there is no user: section 5 has issuers see to it that no user has the id of a client. A `sub` that is no
 * text or number gives no principal.
 */
export const subjectOfAccessToken: PrincipalSource = {
  from: "claims",
  claim: "sub",
  read: (claims, { payload }) => {
    const sub = identifierClaim(claims, "sub", payload);
    const clientId = stringClaim(claims, "client_id");
    if (sub === undefined || clientId === undefined) return undefined;
    const client = { clientId };
    if (sub === clientId) return { user: undefined, client };
    return { ...principalOf({ id: sub, issuer: stringClaim(claims, "iss") }), client };
  },
};

/** Looks the user in the `sub` claim up among the calling instance's users; rejects the token if there is no such user. */
export const userOfInstance: PrincipalSource = {
  from: "directory",
  claim: "sub",
  find: (claims, caller, directory) => {
    const sub = stringClaim(claims, "sub");
    if (caller.kind !== "instance" || sub === undefined) return null;
    const user = directory.user(caller.instance.id, sub);
    if (user === undefined) return { kind: "user", instanceId: caller.instance.id, userId: sub };
    return user && principalOfUser(user);
  },
};

/** A principal that is a user, with what is known about them. */
export function principalOf(user: {
  id: string;
  email?: string | undefined;
  name?: string | undefined;
  avatarUrl?: string | undefined;
  provider?: string | undefined;
  instanceId?: string;
  issuer?: string | undefined;
}): Principal {
  const { id, email, name, avatarUrl, provider, instanceId = "", issuer = "" } = user;
  return { user: { id, email, name, avatarUrl, provider, instanceId, issuer }, client: undefined };
}

/** One principal for each user record: records are immutable, and a verified call should not allocate it again. */
const PRINCIPALS = new WeakMap<User, Principal>();

function principalOfUser(user: User): Principal {
  let principal = PRINCIPALS.get(user);
  if (principal === undefined) {
    principal = principalOf({
      id: user.id,
      email: user.email ?? undefined,
      name: user.name ?? undefined,
      avatarUrl: user.avatarUrl ?? undefined,
      provider: user.provider ?? undefined,
      instanceId: user.instanceId,
    });
    PRINCIPALS.set(user, principal);
  }
  return principal;
}
