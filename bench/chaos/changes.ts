import { hash } from "node:crypto";
import { entryCommand } from "../../src/directory/commands.js";
import type { SelectorKind } from "../../src/directory/revocation.js";
import { Secret } from "../../src/util/secret.js";
import { emailOf, instanceId, RESERVED, secretKeyOf, userId } from "./config.js";
import type { Order } from "./operator.js";
import type { Random } from "./random.js";
import type { Pool, Token } from "./tokens.js";

// What an operator changes throughout a run. Revocations concern tokens that calls ask about; the other changes concern
// users, an instance and a client that only they change.

const REVOKED = ["rejected:TOKEN_REVOKED"];
const REFUSED = ["refused"];

/** Returns a function that gives the next change to make. */
export function createChanges(pool: Pool, random: Random): () => Order {
  const users = RESERVED.users.map((user) => createUserChanges(pool, user));
  const secrets = [createClientRotation(pool), createInstanceRotation(pool)];
  const kinds: readonly { readonly weight: number; readonly order: () => Order }[] = [
    { weight: 4, order: () => revoke(pool.take(random, random.pick(["integuru", "clowk", "issuer"] as const)), "jti") },
    {
      weight: 4,
      order: () => revoke(pool.take(random, "issuer"), random.pick(["subject", "session", "client"] as const)),
    },
    { weight: 3, order: () => revoke(pool.take(random), "digest") },
    { weight: 3, order: () => random.pick(users)(random) },
    { weight: 1, order: () => random.pick(secrets)() },
  ];
  const lots = kinds.flatMap(({ weight, order }) => Array.from({ length: weight }, () => order));
  return () => {
    const order = random.pick(lots)();
    pool.changed(order.effects.map(({ token }) => token));
    return order;
  };
}

/** Revokes one token. @param kind what selects it; only tokens of the realm `issuer` have all of them */
export function revoke(token: Token, kind: "jti" | "digest" | "subject" | "session" | "client"): Order {
  const { realm, owner } = token;
  const selector = {
    realm,
    kind: kind satisfies SelectorKind,
    value: selectedValue(token, kind),
    ...(owner !== undefined && kind === "jti" && { instance: instanceId(owner.instance) }),
  };
  const isTimeless = kind === "jti" || kind === "digest";
  const issuedBefore = isTimeless ? null : Math.floor(Date.now() / 1_000);
  return {
    what: `revoke by ${kind}`,
    isRevocation: true,
    commands: [{ kind: "revoke", revocations: [{ selector, issuedBefore, exp: null }], comment: "chaos" }],
    effects: [{ token, outcomes: REVOKED }],
  };
}

function selectedValue({ token }: Token, kind: "jti" | "digest" | "subject" | "session" | "client"): string {
  const [header = "", payload = ""] = token.split(".");
  if (kind === "digest") return hash("sha256", `${header}.${payload}`, "base64url");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Readonly<Record<string, string>>;
  return claims[{ jti: "jti", subject: "sub", session: "sid", client: "client_id" }[kind]] ?? "";
}

/** Renames a user, or removes it and puts it back, in turn. */
function createUserChanges(pool: Pool, user: number): (random: Random) => Order {
  const [instance] = RESERVED.usersOf;
  const token = pool.add("clowk", { owner: { instance, user } });
  let [version, isThere] = [0, true];
  return (random) => {
    const names = { instanceId: instanceId(instance), id: userId(user) };
    if (isThere && random.below(3) === 0) {
      isThere = false;
      return {
        what: "remove a user",
        isRevocation: true,
        commands: [{ kind: "deleteUser", ...names, expect: "any" }],
        effects: [{ token, outcomes: ["rejected:USER_UNKNOWN"] }],
      };
    }
    version += 1;
    isThere = true;
    const email = emailOf(instance, user, version);
    return {
      what: "put a user",
      isRevocation: false,
      commands: [
        entryCommand({ kind: "putUser", ...names, email, name: `User ${user}`, avatarUrl: null, provider: "google" }),
      ],
      effects: [{ token, outcomes: [`verified:${email}`] }],
    };
  };
}

/** Replaces the secret of the reserved client. */
function createClientRotation(pool: Pool): () => Order {
  const { clientId } = RESERVED.client;
  let version = 0;
  const secretOf = (n: number): string =>
    n === 0 ? RESERVED.client.clientSecret : `another-secret-of-the-chaos-run-${n}`;
  const tokenOf = (n: number, outcomes: readonly string[]): Token =>
    pool.add("fiserv", {
      caller: { $case: "clientCredentials", value: { clientId, clientSecret: secretOf(n) } },
      outcomes,
    });
  let token = tokenOf(0, ["verified"]);
  return () => {
    version += 1;
    const [old, next] = [token, tokenOf(version, REFUSED)];
    token = next;
    return {
      what: "replace a client's secret",
      isRevocation: true,
      commands: [entryCommand({ kind: "putClient", clientId, clientSecret: new Secret(secretOf(version)) })],
      effects: [
        { token: old, outcomes: REFUSED },
        { token: next, outcomes: ["verified"] },
      ],
    };
  };
}

/** Replaces the secret key of the reserved instance, which also signs its tokens. */
function createInstanceRotation(pool: Pool): () => Order {
  const { instance } = RESERVED;
  const owner = { instance, user: 0 };
  const verified = [`verified:${emailOf(instance, 0)}`];
  let version = 0;
  const secretOf = (n: number): string => (n === 0 ? secretKeyOf(instance) : `${secretKeyOf(instance)}_${n}`);
  const tokenOf = (n: number, outcomes: readonly string[]): Token =>
    pool.add("clowk", { owner, caller: { $case: "instanceSecretKey", value: secretOf(n) }, outcomes });
  let token = tokenOf(0, verified);
  return () => {
    version += 1;
    const [old, next] = [token, tokenOf(version, REFUSED)];
    token = next;
    const secretKeys = [new Secret(secretOf(version))];
    return {
      what: "replace an instance's secret key",
      isRevocation: true,
      commands: [entryCommand({ kind: "putInstance", id: instanceId(instance), appId: "app_chaos", secretKeys })],
      effects: [
        { token: old, outcomes: REFUSED },
        { token: next, outcomes: verified },
      ],
    };
  };
}
