import type { Principal } from "../contract/verifier.js";
import type { User } from "../directory/model.js";
import { type JsonObject, member } from "../jws/json.js";
import { memberText } from "../jws/raw-text.js";
import type { Subject } from "./realm.js";
import { isString } from "./rules.js";

/** The principal is a user whose id is the `sub` claim (RFC 7519, section 4.1.2); nobody where that is no string. */
export const subjectOfClaims: Subject = {
  from: "claims",
  read: (claims) => {
    const sub = member(claims, "sub");
    return isString(sub) ? principalOf({ id: sub }) : undefined;
  },
};

/** The principal is the user of the calling instance whom `sub` names; rejected where the instance has no such user. */
export const userOfInstance: Subject = {
  from: "directory",
  claim: "sub",
  find: (claims, caller, directory) => {
    const sub = member(claims, "sub");
    if (caller.kind !== "instance" || !isString(sub)) return null;
    const user = directory.user(caller.instance.id, sub);
    if (user === undefined) return { kind: "user", instanceId: caller.instance.id, userId: sub };
    return user && principalOfUser(user);
  },
};

/** A principal that is a user, with what is known of them. */
export function principalOf(user: {
  id: string;
  email?: string | undefined;
  name?: string | undefined;
  avatarUrl?: string | undefined;
  provider?: string | undefined;
  instanceId?: string;
}): Principal {
  const { id, email, name, avatarUrl, provider, instanceId = "" } = user;
  return { user: { id, email, name, avatarUrl, provider, instanceId }, client: undefined };
}

/** One principal for each user record: records are immutable, and the hot path makes nothing twice. */
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

/** A claim that is a string; undefined for anything else. */
export function stringClaim(claims: JsonObject, name: string): string | undefined {
  const value = member(claims, name);
  return isString(value) ? value : undefined;
}

/** A claim that names something: a string as it is, a number as it was written, not rounded; undefined for anything else. */
export function namingText(claims: JsonObject, name: string, payload: string): string | undefined {
  const value = member(claims, name);
  return typeof value === "number" ? memberText(payload, name) : stringClaim(claims, name);
}
